import { hash } from 'node:crypto'

/**
 * SHA-256 (FIPS 180-4) of `bytes`: 32 bytes, owned by the caller.
 *
 * For one hash among others; trees and paths use {@link sha256Into}, which allocates no array.
 */
export function sha256(bytes: Uint8Array): Uint8Array {
  const digest = new Uint8Array(32)
  sha256Into(bytes, digest, 0)
  return digest
}

/**
 * SHA-256 of `bytes` as 32 characters U+0000..U+00FF, one for each byte of the hash.
 *
 * Such a string is the cheapest form of a hash to look up in a `Map` and to compare with `===`.
 */
export function sha256Latin1(bytes: Uint8Array): string {
  // 'latin1' and not 'buffer': half the time, since no Buffer with its finaliser is made for each hash.
  return hash('sha256', bytes, 'latin1')
}

/**
 * Writes SHA-256 of `bytes` into `target` from `offset` on. `bytes` may be a part of `target`.
 *
 * The fast primitive of trees: with a node of 65 bytes that begins with 01, `sha256Into(node, node, 33)`
 * climbs one level where the sibling is on the left.
 *
 * @throws {TypeError} if fewer than 32 bytes are left in `target`.
 */
export function sha256Into(bytes: Uint8Array, target: Uint8Array, offset: number): void {
  if (target.length < offset + 32) throw new TypeError('no room for a hash')
  const digest = hash('sha256', bytes, 'latin1')
  // A loop and not latin1Write: as fast, and it does not move a small array out of the JavaScript heap.
  for (let i = 0; i < 32; i++) target[offset + i] = digest.charCodeAt(i)
}
