import { Buffer } from 'node:buffer'
import { sha256Into } from '@quantum-ip/crypto'

/** Bytes of a hash. */
export const hashSize = 32

// One buffer for all inner nodes: 01 ‖ left ‖ right. Hashing is synchronous, so nobody else can be half way through.
const node = Buffer.alloc(1 + 2 * hashSize)
node[0] = 1

// The same for leaves, 00 ‖ entry. Entries of one log have mostly one length, so the last view is kept.
const leafBuffer = Buffer.alloc(1 + 1024)
let leafView = leafBuffer.subarray(0, 39)

/** SHA-256 of the empty string: the root of the empty tree ({@link https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1 RFC 9162, section 2.1.1}). */
export function emptyRoot(): Uint8Array {
  const root = new Uint8Array(hashSize)
  sha256Into(root.subarray(0, 0), root, 0)
  return root
}

/** SHA-256(0x00 ‖ entry), 32 bytes: the hash of one log entry ({@link https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1 RFC 9162, section 2.1.1}). */
export function leafHash(entry: Uint8Array): Uint8Array {
  const hash = new Uint8Array(hashSize)
  leafHashInto(entry, hash, 0)
  return hash
}

/** Writes {@link leafHash} of `entry` into `target` from `offset` on, where 32 bytes are free. */
export function leafHashInto(entry: Uint8Array, target: Uint8Array, offset: number): void {
  const size = entry.length + 1
  if (size > leafBuffer.length) {
    const whole = Buffer.allocUnsafe(size)
    whole[0] = 0
    whole.set(entry, 1)
    sha256Into(whole, target, offset)
    return
  }
  if (leafView.length !== size) leafView = leafBuffer.subarray(0, size)
  leafView.set(entry, 1)
  sha256Into(leafView, target, offset)
}

/** SHA-256(0x01 ‖ left ‖ right), 32 bytes: the hash of an inner node. `left` and `right` are hashes of 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== hashSize || right.length !== hashSize) throw new TypeError('a hash has 32 bytes')
  copyHash(left, 0, node, 1)
  copyHash(right, 0, node, 33)
  const hash = new Uint8Array(hashSize)
  sha256Into(node, hash, 0)
  return hash
}

/** Writes the parent of the two hashes that stand side by side at `offset` of `children` into `target` at `to`. */
export function parentInto(children: Uint8Array, offset: number, target: Uint8Array, to: number): void {
  for (let i = 0; i < 64; i++) node[1 + i] = children[offset + i] as number
  sha256Into(node, target, to)
}

/** Copies one hash. A plain loop: for 32 bytes it costs less than the view that `set` would need. */
export function copyHash(from: Uint8Array, offset: number, to: Uint8Array, at: number): void {
  for (let i = 0; i < hashSize; i++) to[at + i] = from[offset + i] as number
}

/**
 * The tree hash over a list of leaf hashes (or of hashes of equal full subtrees), by the definition
 * ({@link https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1 RFC 9162, section 2.1.1}). The empty list gives {@link emptyRoot}.
 */
export function rangeHash(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return emptyRoot()
  let level = [...hashes]
  while (level.length > 1) {
    const above: Uint8Array[] = []
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i] as Uint8Array
      const right = level[i + 1]
      // The last one without a partner moves up as it is: that is RFC 9162's right edge.
      above.push(right === undefined ? left : nodeHash(left, right))
    }
    level = above
  }
  return new Uint8Array(level[0] as Uint8Array)
}
