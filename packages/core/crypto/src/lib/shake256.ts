import { createHash } from 'node:crypto'

/** SHAKE256 (FIPS 202) of `bytes`, `size` bytes long. */
export function shake256(bytes: Uint8Array, size: number): Uint8Array {
  return createHash('shake256', { outputLength: size }).update(bytes).digest()
}
