import { isQipError, nearest } from '@quantum-ip/base'
import { type Envelope, type PublicKey, verifyEnvelope } from '@quantum-ip/crypto'
import { AttestationError } from './attestation-errors.ts'
import { malformed, statementPayloadType } from './statement.ts'

/** 0 to 3: the levels of SLSA's build track. */
export type SlsaLevel = 0 | 1 | 2 | 3

/**
 * A builder that this trust domain knows.
 *
 * It is a *set of keys, all required*: hybrid is ML-DSA-65 and Ed25519 in one set. While a builder changes its keys it has
 * two sets, and one complete set is enough; signatures from different sets never add up.
 */
export interface Builder {
  /** The URI that its provenance names as `runDetails.builder.id`. */
  readonly id: string
  /** A set with nothing but Ed25519 counts for nothing: it would fall with classical signatures. */
  readonly keySets: readonly (readonly PublicKey[])[]
  /** What the operator has found out about the builder. A statement's own claim about its level counts for nothing. */
  readonly slsaLevel: SlsaLevel
}

/**
 * The builder with the ID that a provenance names. The name only selects among what is configured; it is as good as the
 * signatures of {@link verifyBuilder}.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_BUILDER_UNKNOWN`
 */
export function builderOf(id: string, builders: readonly Builder[]): Builder {
  const found = builders.find((builder) => builder.id === id)
  if (found !== undefined) return found
  const similar = nearest(
    id,
    builders.map((builder) => builder.id),
  )
  throw new AttestationError('QIP_ATTESTATION_BUILDER_UNKNOWN', {
    builder: id.slice(0, 256),
    nearest: similar,
  })
}

/**
 * Verifies that every key of one of the builder's sets has signed the envelope, and returns the set. Other signatures do no harm and
 * no good.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_SIGNATURES_INSUFFICIENT` · `QIP_ATTESTATION_STATEMENT_MALFORMED` for another payload type.
 */
export async function verifyBuilder(
  envelope: Envelope,
  { id, keySets }: Builder,
): Promise<readonly PublicKey[]> {
  if (envelope.payloadType !== statementPayloadType) {
    throw malformed('', `the payload type is not \`${statementPayloadType}\``)
  }
  const usable = keySets.filter((keys) => keys.some(({ alg }) => alg !== 'Ed25519'))
  for (const keys of usable) if (await haveAllSigned(envelope, keys)) return keys
  throw new AttestationError('QIP_ATTESTATION_SIGNATURES_INSUFFICIENT', { builder: id, sets: usable.length })
}

async function haveAllSigned(envelope: Envelope, keys: readonly PublicKey[]): Promise<boolean> {
  const threshold = new Set(keys.map(({ kid }) => kid)).size
  try {
    await verifyEnvelope({ envelope, keys, threshold, payloadType: statementPayloadType })
    return true
  } catch (error) {
    if (isQipError(error, 'QIP_CRYPTO_ENVELOPE_THRESHOLD_MISSED')) return false
    throw error
  }
}
