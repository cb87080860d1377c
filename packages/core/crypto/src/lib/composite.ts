import { createHash } from 'node:crypto'
import { concatBytes, utf8 } from '@quantum-ip/base'
import { type CompositeAlgorithm, compositeSchemes, plainSchemes } from '../algorithms.ts'

const prefix = utf8('CompositeAlgorithmSignatures2025')

/** What the two components of a composite sign. */
export interface CompositeMessage {
  /** M', which both sign. */
  readonly message: Uint8Array
  /** The label, which is the ML-DSA component's context. */
  readonly context: Uint8Array
}

/**
 * M' = prefix ‖ label ‖ 00 ‖ SHA-512(M), where 00 is the length of the always empty application context
 * (draft-ietf-jose-pq-composite-sigs-03, section 4).
 */
export function compositeMessage(alg: CompositeAlgorithm, message: Uint8Array): CompositeMessage {
  const label = utf8(compositeSchemes[alg].label)
  const digest = createHash('sha512').update(message).digest()
  return { message: concatBytes(prefix, label, new Uint8Array(1), digest), context: label }
}

/** The two parts of a composite's signature: ML-DSA's first. The whole must have its exact length. */
export function splitCompositeSignature(
  alg: CompositeAlgorithm,
  signature: Uint8Array,
): readonly [Uint8Array, Uint8Array] {
  const cut = plainSchemes[compositeSchemes[alg].postQuantum].signatureBytes
  return [signature.subarray(0, cut), signature.subarray(cut)]
}
