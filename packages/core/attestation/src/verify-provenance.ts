import { isQipError } from '@quantum-ip/base'
import { type Envelope, parseEnvelope, type PublicKey } from '@quantum-ip/crypto'
import { AttestationError } from './attestation-errors.ts'
import { type Builder, builderOf, verifyBuilder } from './builder.ts'
import { parseProvenance, type Provenance } from './provenance.ts'
import { parseStatement, type Statement } from './statement.ts'

/** A statement with provenance that its builder has signed with all keys of a set. */
export interface VerifiedProvenance {
  readonly envelope: Envelope
  readonly statement: Statement
  readonly provenance: Provenance
  readonly builder: Builder
  /** The builder's keys that signed: the whole set. */
  readonly signers: readonly PublicKey[]
}

/**
 * Verifies an attestation as the registry takes it in: an in-toto Statement v1 with SLSA provenance v1, signed by all keys of a set
 * of the builder that it names. Nothing is said yet about a log, or about who may run the build.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_STATEMENT_MALFORMED` · `QIP_ATTESTATION_BUILDER_UNKNOWN` ·
 *   `QIP_ATTESTATION_SIGNATURES_INSUFFICIENT`
 */
export async function verifyProvenance(
  envelope: Envelope | string | Uint8Array,
  builders: readonly Builder[],
): Promise<VerifiedProvenance> {
  const opened = openEnvelope(envelope)
  const statement = parseStatement(opened.payload)
  const provenance = parseProvenance(statement)
  const builder = builderOf(provenance.builderId, builders)
  const signers = await verifyBuilder(opened, builder)
  return { envelope: opened, statement, provenance, builder, signers }
}

/**
 * The DSSE envelope that `input` is or spells.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_STATEMENT_MALFORMED`
 */
export function openEnvelope(input: Envelope | string | Uint8Array): Envelope {
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) return input
  try {
    return parseEnvelope(input)
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    const details = { path: '', reason: cause.message }
    throw new AttestationError('QIP_ATTESTATION_STATEMENT_MALFORMED', details, { cause })
  }
}
