import {
  type AdmissionRule,
  decideAdmission,
  parseEvidence,
  type VerifiedEvidence,
  verifyEvidence,
} from '@quantum-ip/attestation'
import { hex, isQipError, parseHex } from '@quantum-ip/base'
import type { TrustStore } from '@quantum-ip/trust'
import { storeTrust } from '../lib/evidence-trust.ts'

/** Whether an admission rule lets a build be a service. */
export interface AdmissionFinding {
  readonly service: string
  readonly admitted: boolean
  readonly reason: string
}

/** An attestation that holds: all of it was checked. */
export interface HoldingAttestation {
  readonly holds: true
  readonly part: string
  readonly origin: string
  readonly index: number
  readonly build: string
  readonly builder: string
  readonly signers: readonly string[]
  readonly source: string | undefined
  readonly subject: string | undefined
  /** When it was logged, by the log's own entry. */
  readonly attestedMs: number
  /** When the build began and ended, as its builder says. */
  readonly startedMs: number | undefined
  readonly finishedMs: number | undefined
  readonly treeSize: number
  readonly checkpointMs: number | undefined
  readonly admissions: readonly AdmissionFinding[]
}

/** An attestation that does not hold, and why. */
export interface FailingAttestation {
  readonly holds: false
  readonly part: string
  readonly origin: string
  readonly index: number
  /** The build that the entry names, as far as it can be read. */
  readonly build: string | undefined
  readonly code: string
  readonly reason: string
}

/** An attestation of which is known whether it holds. */
export type ExaminedAttestation = HoldingAttestation | FailingAttestation

/** What an evidence file is checked against. */
export interface EvidenceExamination {
  readonly part: string
  /** The build that it is to be about; absent: whichever it names. */
  readonly build: string | undefined
  readonly store: TrustStore
  readonly rules: readonly AdmissionRule[] | undefined
  /** The services that the build ran as, as far as is known. */
  readonly services: readonly string[]
}

/** Checks one evidence file: inclusion in the log, entry, envelope, builder's signatures, and the admission rules. */
export async function examineEvidence(
  text: string,
  { part, build, store, rules, services }: EvidenceExamination,
): Promise<ExaminedAttestation> {
  try {
    const trust = storeTrust(store, text)
    const expected = build === undefined ? {} : { build: Uint8Array.from(parseHex(build)) }
    const verified = await verifyEvidence({ ...trust, ...expected, evidence: text })
    return holding(verified, { part, rules, services })
  } catch (error) {
    if (!isQipError(error)) throw error
    return { holds: false, part, ...placeOf(text), code: error.code, reason: error.message }
  }
}

function holding(
  { facts, entry, signers, origin, index, asOf }: VerifiedEvidence,
  { part, rules, services }: Pick<EvidenceExamination, 'part' | 'rules' | 'services'>,
): HoldingAttestation {
  const { checkpointTimeS } = asOf
  return {
    holds: true,
    part,
    origin,
    index,
    build: hex(facts.build),
    builder: facts.builder,
    signers: signers.map(({ kid }) => kid),
    source: facts.source?.uri,
    subject: facts.subject,
    attestedMs: entry.timeMs,
    startedMs: facts.startedOnMs,
    finishedMs: facts.finishedOnMs,
    treeSize: asOf.treeSize,
    checkpointMs: checkpointTimeS === undefined ? undefined : checkpointTimeS * 1_000,
    admissions: (rules === undefined ? [] : services).map((service) => {
      const { admitted, reason } = decideAdmission(rules ?? [], service, facts)
      return { service, admitted, reason }
    }),
  }
}

// Of what does not verify, too, a person wants to know where it claims to stand.
function placeOf(text: string): { origin: string; index: number; build: string | undefined } {
  try {
    const { receipt } = parseEvidence(text)
    return { origin: receipt.origin, index: receipt.index, build: hex(receipt.entry.build) }
  } catch {
    return { origin: 'an unreadable evidence file', index: 0, build: undefined }
  }
}
