import { equalBytes } from '@quantum-ip/base'
import { emptyRoot, hashSize, nodeHash } from './hash.ts'
import { LogError } from './log-errors.ts'
import { type Proof, unpackProof } from './proof.ts'
import { type Subtree, verifySubtree } from './subtree.ts'

/** A subtree consistency proof: that the subtree `[start, end)` of hash `hash` is part of the tree of `size` leaves and root `root`. */
export interface SubtreeConsistency extends Subtree {
  readonly size: number
  readonly hash: Uint8Array
  readonly root: Uint8Array
  readonly proof: Proof
}

/**
 * Verifies that a subtree is part of a tree (Merkle Tree Certificates, *Verifying a Subtree Consistency Proof*), and returns the
 * tree's root. An empty subtree is part of every tree; its hash is {@link emptyRoot}, its proof empty, and nothing is said
 * about the root.
 *
 * @throws {LogError} `QIP_LOG_SUBTREE_INVALID` · `QIP_LOG_OUT_OF_RANGE` if the subtree ends behind `size` ·
 * `QIP_LOG_PROOF_MALFORMED` · `QIP_LOG_PROOF_MISMATCH`.
 */
export function verifySubtreeConsistency(input: SubtreeConsistency): Uint8Array {
  verifySubtree(input)
  const { start, end, size, hash, root } = input
  if (!Number.isSafeInteger(size) || end > size) {
    throw new LogError('QIP_LOG_OUT_OF_RANGE', { what: 'size', value: size, end })
  }
  const proof = unpackProof(input.proof)
  if (start === end) {
    if (proof.length > 0) throw new LogError('QIP_LOG_PROOF_MALFORMED', { reason: 'too long' })
    if (!equalBytes(hash, emptyRoot())) throw new LogError('QIP_LOG_PROOF_MISMATCH', { kind: 'consistency' })
    return root
  }
  const found = evaluate(input, proof)
  if (!equalBytes(found.hash, hash) || !equalBytes(found.root, root)) {
    throw new LogError('QIP_LOG_PROOF_MISMATCH', { kind: 'consistency' })
  }
  return root
}

/** Both hashes that the proof leads to. The names are those of the draft. */
function evaluate(
  input: SubtreeConsistency,
  proof: readonly Uint8Array[],
): { hash: Uint8Array; root: Uint8Array } {
  const at: Levels = { fn: input.start, sn: input.end - 1, tn: input.size - 1 }
  if (at.sn === at.tn) while (at.fn !== at.sn) shift(at)
  else while (at.fn !== at.sn && at.sn % 2 === 1) shift(at)

  // Where the subtree is a node of the tree its own hash begins; else the proof brings the node at which both part.
  const own = at.fn === at.sn
  const first = own ? input.hash : proof[0]
  if (first === undefined) throw new LogError('QIP_LOG_PROOF_MALFORMED', { reason: 'too short' })
  let fr = first
  let sr = first
  for (const c of own ? proof : proof.slice(1)) {
    if (at.tn === 0) throw new LogError('QIP_LOG_PROOF_MALFORMED', { reason: 'too long' })
    if (sr.length !== hashSize) throw new LogError('QIP_LOG_PROOF_MALFORMED', { reason: 'hash size' })
    if (at.sn % 2 === 1 || at.sn === at.tn) {
      if (at.fn < at.sn) fr = nodeHash(c, fr)
      sr = nodeHash(c, sr)
      while (at.sn % 2 === 0) shift(at)
    } else {
      sr = nodeHash(sr, c)
    }
    shift(at)
  }
  if (at.tn !== 0) throw new LogError('QIP_LOG_PROOF_MALFORMED', { reason: 'too short' })
  return { hash: fr, root: sr }
}

/** Where the subtree's first and last leaf and the tree's last leaf are, at the present height. */
interface Levels {
  fn: number
  sn: number
  tn: number
}

/** One level up. Division, never bit operators: those wrap at 2^32. */
function shift(at: Levels): void {
  at.fn = Math.floor(at.fn / 2)
  at.sn = Math.floor(at.sn / 2)
  at.tn = Math.floor(at.tn / 2)
}

/** A consistency proof: that the tree of `size2` leaves begins with the tree of `size1` leaves. */
export interface Consistency {
  readonly size1: number
  readonly size2: number
  readonly root1: Uint8Array
  readonly root2: Uint8Array
  readonly proof: Proof
}

/**
 * Verifies that a tree extends an older one ({@link https://www.rfc-editor.org/rfc/rfc9162#section-2.1.4.2 RFC 9162, section 2.1.4.2}),
 * and returns the newer root. A proof from the empty tree would say nothing and is refused.
 *
 * @throws {LogError} `QIP_LOG_OUT_OF_RANGE` if not `0 < size1 ≤ size2` · `QIP_LOG_PROOF_MALFORMED` · `QIP_LOG_PROOF_MISMATCH`.
 */
export function verifyConsistency({ size1, size2, root1, root2, proof }: Consistency): Uint8Array {
  if (!Number.isSafeInteger(size1) || size1 <= 0 || size1 > size2) {
    throw new LogError('QIP_LOG_OUT_OF_RANGE', { what: 'size', value: size1, end: size2 })
  }
  return verifySubtreeConsistency({ start: 0, end: size1, size: size2, hash: root1, root: root2, proof })
}
