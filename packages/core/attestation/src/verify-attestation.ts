import { isQipError, type ServiceId } from '@quantum-ip/base'
import type { Envelope, PublicKey } from '@quantum-ip/crypto'
import { leafHash, verifyInclusion } from '@quantum-ip/log'
import { type AdmissionDecision, type AdmissionRule, decideAdmission } from './admission-rules.ts'
import {
  type AttestationEntry,
  encodeAttestationEntry,
  parseAttestationEntry,
  verifyEntry,
} from './attestation-entry.ts'
import { AttestationError } from './attestation-errors.ts'
import { type BuildFacts, buildFacts } from './build-facts.ts'
import type { Builder } from './builder.ts'
import { openEnvelope, verifyProvenance } from './verify-provenance.ts'

/** Where the entry stands in a tree whose root is trusted already (a signed state or a verified checkpoint). */
export interface EntryInclusion {
  readonly index: number
  readonly size: number
  /** Leaf's sibling first; hashes of 32 bytes. */
  readonly proof: readonly Uint8Array[]
  readonly root: Uint8Array
  /** The log, for the error. */
  readonly origin?: string
}

/** Who a build is to be admitted as, and by which rules. */
export interface AdmissionCheck {
  readonly rules: readonly AdmissionRule[]
  readonly service: ServiceId
}

/** One attestation to check against all that is known about it. */
export interface AttestationCheck {
  /** The stored envelope, as the registry gave it out. */
  readonly envelope: Envelope | string | Uint8Array
  /** The logged entry: its 106 bytes, or decoded. */
  readonly entry: Uint8Array | AttestationEntry
  readonly inclusion: EntryInclusion
  /** SHA-256 of the artifact that the attestation has to be about. */
  readonly build: Uint8Array
  /** The builders that count, each with the key sets that count at this index of this log. */
  readonly builders: readonly Builder[]
  /** Also checks that rules let this build be a service. */
  readonly admission?: AdmissionCheck | undefined
}

/** An attestation that holds. */
export interface VerifiedAttestation {
  readonly facts: BuildFacts
  readonly entry: AttestationEntry
  /** The builder's keys that signed: a whole set. */
  readonly signers: readonly PublicKey[]
  /** Present where admission was asked for; always `admitted: true`. */
  readonly admission?: AdmissionDecision
}

/**
 * Verifies one attestation from end to end, as a deep check or an auditor does: the entry is in the log at this index, it is about this
 * envelope and this build, the builder that the provenance names has signed with all keys of a set, and, where asked,
 * a rule admits the build. Cheap before dear: hashes, then signatures.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_ENTRY_MALFORMED` · `QIP_ATTESTATION_NOT_LOGGED` · `QIP_ATTESTATION_ENTRY_MISMATCH` ·
 *   `QIP_ATTESTATION_SUBJECT_MISMATCH` · `QIP_ATTESTATION_NOT_ADMITTED`, and as {@link verifyProvenance}
 */
export async function verifyAttestation(check: AttestationCheck): Promise<VerifiedAttestation> {
  const { build, builders, inclusion, admission } = check
  const entry = check.entry instanceof Uint8Array ? parseAttestationEntry(check.entry) : check.entry
  verifyLogged(entry, inclusion)
  const envelope = openEnvelope(check.envelope)
  verifyEntry({ entry, envelope, build })
  const { statement, provenance, builder, signers } = await verifyProvenance(envelope, builders)
  const facts = buildFacts({ statement, provenance, builder, build })
  if (admission === undefined) return { facts, entry, signers }
  const decision = decideAdmission(admission.rules, admission.service, facts)
  if (!decision.admitted) {
    const details = { service: admission.service, reason: decision.reason }
    throw new AttestationError('QIP_ATTESTATION_NOT_ADMITTED', details)
  }
  return { facts, entry, signers, admission: decision }
}

function verifyLogged(entry: AttestationEntry, { index, size, proof, root, origin }: EntryInclusion): void {
  try {
    verifyInclusion({ index, size, leafHash: leafHash(encodeAttestationEntry(entry)), proof, root })
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw new AttestationError('QIP_ATTESTATION_NOT_LOGGED', { origin, index }, { cause })
  }
}
