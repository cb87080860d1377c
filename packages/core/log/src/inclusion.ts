import { Buffer } from 'node:buffer'
import { equalBytes } from '@quantum-ip/base'
import { sha256Into } from '@quantum-ip/crypto'
import { copyHash, hashSize } from './hash.ts'
import { LogError } from './log-errors.ts'
import { type Proof, copyProofHash, proofLength } from './proof.ts'
import { verifySubtree } from './subtree.ts'

/** A subtree inclusion proof: that the leaf at `index` is in the subtree `[start, end)`. */
export interface SubtreeInclusion {
  readonly index: number
  readonly start: number
  readonly end: number
  readonly leafHash: Uint8Array
  readonly proof: Proof
}

// 01 ‖ left ‖ right, as in hash.ts. The running hash is written straight to where its next parent needs it.
const node = Buffer.alloc(65)
node[0] = 1
const left = 1
const right = 33

/** Where in its parent the node number `fn` of a row that ends with number `sn` stands. */
function place(fn: number, sn: number): typeof left | typeof right {
  return fn % 2 === 1 || fn === sn ? right : left
}

/**
 * The hash that the subtree `[start, end)` must have if the leaf at `index` is in it: 32 bytes, to be compared with a trusted hash held
 * for **exactly this** `[start, end)` of this log. The same path also evaluates under shifted positions, so a match with a hash
 * whose tuple is not known proves nothing about the index.
 *
 * Follows Merkle Tree Certificates, *Evaluating a Subtree Inclusion Proof*
 * (= {@link https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2 RFC 9162, section 2.1.3.2}, without the comparison). It is the
 * product's hot path: one SHA-256 per hash of the proof, and nothing allocated but the result.
 *
 * @throws {LogError} `QIP_LOG_SUBTREE_INVALID` · `QIP_LOG_OUT_OF_RANGE` if `index` is not in the subtree ·
 * `QIP_LOG_PROOF_MALFORMED` if the proof is too long or too short for this position, or a hash is not 32 bytes.
 */
export function evaluateSubtreeInclusion(input: SubtreeInclusion): Uint8Array {
  verifySubtree(input)
  const { index, start, end, leafHash, proof } = input
  if (!Number.isSafeInteger(index) || index < start || index >= end) {
    throw new LogError('QIP_LOG_OUT_OF_RANGE', { what: 'index', value: index, end })
  }
  if (leafHash.length !== hashSize) throw new LogError('QIP_LOG_PROOF_MALFORMED', { reason: 'hash size' })
  const count = proofLength(proof)
  // Division and modulo, never bit operators: those wrap at 2^32, indices go to 2^48.
  let fn = index - start
  let sn = end - start - 1
  let own = place(fn, sn)
  copyHash(leafHash, 0, node, own)
  for (let at = 0; at < count; at++) {
    if (sn === 0) throw new LogError('QIP_LOG_PROOF_MALFORMED', { reason: 'too long' })
    copyProofHash(proof, at, node, own === left ? right : left)
    if (own === right) {
      // Ends: fn = sn = 0 was refused above. These are the levels at which the right edge has no sibling.
      while (fn % 2 === 0) {
        fn /= 2
        sn = Math.floor(sn / 2)
      }
    }
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
    own = place(fn, sn)
    sha256Into(node, node, own)
  }
  if (sn !== 0) throw new LogError('QIP_LOG_PROOF_MALFORMED', { reason: 'too short' })
  const root = new Uint8Array(hashSize)
  copyHash(node, own, root, 0)
  return root
}

/**
 * Verifies that the leaf at `index` is in the subtree `[start, end)` of hash `hash` (Merkle Tree Certificates, *Verifying a
 * Subtree Inclusion Proof*), and returns that hash.
 *
 * @throws {LogError} `QIP_LOG_PROOF_MISMATCH` if the proof leads to another hash, and what {@link evaluateSubtreeInclusion} throws.
 */
export function verifySubtreeInclusion(input: SubtreeInclusion & { readonly hash: Uint8Array }): Uint8Array {
  const hash = evaluateSubtreeInclusion(input)
  if (!equalBytes(hash, input.hash)) throw new LogError('QIP_LOG_PROOF_MISMATCH', { kind: 'inclusion' })
  return hash
}

/** An inclusion proof: that the leaf at `index` is in the tree of `size` leaves. */
export interface Inclusion {
  readonly index: number
  readonly size: number
  readonly leafHash: Uint8Array
  readonly proof: Proof
}

/**
 * Verifies that the leaf at `index` is in the tree of `size` leaves and root `root`
 * ({@link https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2 RFC 9162, section 2.1.3.2}), and returns that root.
 *
 * @throws {LogError} `QIP_LOG_OUT_OF_RANGE` · `QIP_LOG_PROOF_MALFORMED` · `QIP_LOG_PROOF_MISMATCH` ·
 * `QIP_LOG_SUBTREE_INVALID` if `size` is not a safe integer.
 */
export function verifyInclusion(input: Inclusion & { readonly root: Uint8Array }): Uint8Array {
  const { index, size, leafHash, proof, root } = input
  return verifySubtreeInclusion({ index, start: 0, end: size, leafHash, proof, hash: root })
}
