import { createHash } from 'node:crypto'

/**
 * The first 16 hexadecimal characters of SHA-256 of a field's value, by which a probe tells that it arrived as it was sent. Of a whole
 * token nothing can be had from it: 128 bits of the token are random.
 *
 * @example
 * sha256Prefix('abc') // => 'ba7816bf8f01cfea'
 */
export function sha256Prefix(value: string): string {
  return createHash('sha256').update(value, 'latin1').digest('hex').slice(0, 16)
}
