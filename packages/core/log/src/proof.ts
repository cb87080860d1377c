import { copyHash, hashSize } from './hash.ts'
import { LogError } from './log-errors.ts'

/** The hashes of a proof side by side in a longer array: `count` × 32 bytes from `offset` on. Saves cutting them apart. */
export interface PackedProof {
  readonly bytes: Uint8Array
  readonly offset: number
  readonly count: number
}

/** The hashes of a proof, the leaf's sibling first: as a list of 32-byte hashes, or packed. */
export type Proof = readonly Uint8Array[] | PackedProof

function isPacked(proof: Proof): proof is PackedProof {
  return 'count' in proof
}

/** The number of hashes of a proof. */
export function proofLength(proof: Proof): number {
  return isPacked(proof) ? proof.count : proof.length
}

/**
 * Copies one hash of a proof into `target` at `to`.
 *
 * @throws {LogError} `QIP_LOG_PROOF_MALFORMED` if it is not 32 bytes.
 */
export function copyProofHash(proof: Proof, at: number, target: Uint8Array, to: number): void {
  if (isPacked(proof)) {
    const offset = proof.offset + at * hashSize
    if (offset + hashSize > proof.bytes.length)
      throw new LogError('QIP_LOG_PROOF_MALFORMED', { reason: 'hash size' })
    copyHash(proof.bytes, offset, target, to)
    return
  }
  const hash = proof[at]
  if (hash?.length !== hashSize) throw new LogError('QIP_LOG_PROOF_MALFORMED', { reason: 'hash size' })
  copyHash(hash, 0, target, to)
}

/** The list of hashes of a proof, cut apart. */
export function unpackProof(proof: Proof): readonly Uint8Array[] {
  return Array.from({ length: proofLength(proof) }, (_, at) => {
    const hash = new Uint8Array(hashSize)
    copyProofHash(proof, at, hash, 0)
    return hash
  })
}

/** The packed form of a list of 32-byte hashes. */
export function packProof(proof: readonly Uint8Array[]): PackedProof {
  const bytes = new Uint8Array(proof.length * hashSize)
  for (let at = 0; at < proof.length; at++) copyProofHash(proof, at, bytes, at * hashSize)
  return { bytes, offset: 0, count: proof.length }
}
