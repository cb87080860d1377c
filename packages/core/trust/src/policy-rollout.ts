import { base64url, type TrustDomain } from '@quantum-ip/base'
import type { Envelope, Signer } from '@quantum-ip/crypto'
import { checkDomain, parseDomain } from './lib/domain.ts'
import { checkSignatures, openEnvelope, signDocument, verified } from './lib/envelopes.ts'
import { type Members, parseDocument } from './lib/members.ts'
import { serialise } from './lib/serialise.ts'
import { trustLimits } from './payload-types.ts'
import { type PolicyToVerify, readPolicyName } from './policy-version.ts'
import type { Verified } from './verified.ts'

/** A policy version by its number and the SHA-256 of its payload. */
export interface PolicyReference {
  readonly version: number
  readonly sha256: Uint8Array
}

/** How the version in force decides, where that is not what its text says. */
export type RolloutMode = 'monitor' | 'canary' | 'enforce'

/** The version in force. */
export interface ActivePolicy extends PolicyReference {
  /** Absent: as its text says. */
  readonly mode: RolloutMode | undefined
  /** With `canary`: for which share it is carried out, in hundredths of a percent; else 0. */
  readonly share: number
}

/** A version that decides beside the one in force. */
export interface CandidatePolicy extends PolicyReference {
  /** For which share of callers it is carried out in place of the one in force, in hundredths of a percent; 0: in shadow. */
  readonly share: number
}

/**
 * What of a policy is in force from `time` on: one link of the policy's history.
 *
 * INVARIANT: nothing goes back. Whoever returns to an older version says so in a new record with a higher number; a state names the
 * number and hash of the last one, and each record names the hash of the one before.
 */
export interface PolicyRollout {
  readonly td: TrustDomain
  /** The policy's name. */
  readonly policy: string
  /** Strictly ascending for each policy. */
  readonly number: number
  /** SHA-256 of the payload of the record before; `undefined` for the first one. */
  readonly previous: Uint8Array | undefined
  /** Milliseconds since 1970. `time` on the wire. */
  readonly timeMs: number
  /** What was done, such as `publish`. */
  readonly action: string
  /** Who did it. */
  readonly by: string
  readonly reason: string
  readonly active: ActivePolicy
  readonly candidate: CandidatePolicy | undefined
}

const members = [
  'td',
  'policy',
  'number',
  'previous',
  'time',
  'action',
  'by',
  'reason',
  'active',
  'candidate',
  'crit',
]
const modes: readonly RolloutMode[] = ['monitor', 'canary', 'enforce']
/** All callers, in hundredths of a percent. */
const wholeShare = 10_000

/**
 * The payload of a rollout: always the same bytes for the same record.
 *
 * @throws {TrustError} as {@link parsePolicyRollout}
 */
export function buildPolicyRollout(rollout: PolicyRollout): Uint8Array {
  const { td, policy, number, previous, timeMs, action, by, reason, active, candidate } = rollout
  const payload = serialise({
    td,
    policy,
    number,
    ...(previous !== undefined && { previous: base64url(previous) }),
    time: timeMs,
    action,
    by,
    ...(reason !== '' && { reason }),
    active: {
      ...referenceJson(active),
      ...(active.mode !== undefined && { mode: active.mode }),
      ...(active.mode === 'canary' && { share: active.share }),
    },
    ...(candidate !== undefined && { candidate: { ...referenceJson(candidate), share: candidate.share } }),
  })
  parsePolicyRollout(payload)
  return payload
}

function referenceJson({ version, sha256 }: PolicyReference): object {
  return { version, sha256: base64url(sha256) }
}

/**
 * Reads the payload of a rollout. Nothing is verified.
 *
 * @throws {TrustError} `QIP_TRUST_DOCUMENT_MALFORMED` · `QIP_TRUST_LIMIT_EXCEEDED` · `QIP_TRUST_CRITICAL_UNKNOWN`
 */
export function parsePolicyRollout(payload: Uint8Array): PolicyRollout {
  const document = parseDocument(payload, 'rollout', trustLimits.rolloutBytesMax)
  document.checkCritical(members)
  return {
    td: parseDomain(document),
    policy: readPolicyName(document, 'policy'),
    number: document.integer('number', { min: 1 }),
    previous: document.has('previous') ? document.hash('previous') : undefined,
    timeMs: document.integer('time'),
    action: document.text('action', trustLimits.nameCharsMax),
    by: document.text('by', trustLimits.nameCharsMax),
    reason: document.optionalText('reason', trustLimits.reasonCharsMax) ?? '',
    active: readActive(document.members('active')),
    candidate: document.has('candidate') ? readCandidate(document.members('candidate')) : undefined,
  }
}

function readReference(of: Members): PolicyReference {
  return { version: of.integer('version', { min: 1 }), sha256: of.hash('sha256') }
}

function readActive(of: Members): ActivePolicy {
  const text = of.optionalText('mode', trustLimits.nameCharsMax)
  const mode = modes.find((each) => each === text)
  // A mode that is not known here must not become the one that the text has.
  if (text !== undefined && mode === undefined) throw of.malformed('mode', 'is no mode')
  const share = mode === 'canary' ? of.integer('share', { min: 1, max: wholeShare }) : 0
  return { ...readReference(of), mode, share }
}

function readCandidate(of: Members): CandidatePolicy {
  return { ...readReference(of), share: of.integer('share', { max: wholeShare }) }
}

/**
 * Signs a rollout with a `qip-policy` key.
 *
 * @throws {TrustError} as {@link buildPolicyRollout}
 */
export function signPolicyRollout(rollout: PolicyRollout, signer: Signer): Promise<Envelope> {
  return signDocument('rollout', buildPolicyRollout(rollout), [signer])
}

/**
 * Verifies a rollout: signed by a `qip-policy` key of the trust domain. That it is the one in force is what a state says, by the
 * number and hash of its payload.
 *
 * @throws {TrustError} `QIP_TRUST_SIGNATURES_INSUFFICIENT` · `QIP_TRUST_DOMAIN_MISMATCH`, and as {@link parsePolicyRollout}
 */
export async function verifyPolicyRollout({
  envelope,
  td,
  keys,
}: PolicyToVerify): Promise<Verified<PolicyRollout>> {
  const opened = openEnvelope(envelope, 'rollout')
  const signers = await checkSignatures(opened, {
    document: 'rollout',
    signers: 'policy keys',
    keys,
    threshold: 1,
  })
  const document = parsePolicyRollout(opened.payload)
  checkDomain('rollout', td, document.td)
  return verified(document, opened, signers)
}
