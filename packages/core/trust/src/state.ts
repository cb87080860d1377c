import { base64url, equalBytes, limits, type TrustDomain } from '@quantum-ip/base'
import type { Envelope, Signer } from '@quantum-ip/crypto'
import { type Bundle, feedKeys } from './bundle.ts'
import { buildHead, type HeadRecord, readHead } from './head-record.ts'
import { checkSignatures, openEnvelope, signDocument, verified } from './lib/envelopes.ts'
import { isOrigin } from './lib/key-record-json.ts'
import { type Members, parseDocument } from './lib/members.ts'
import { serialise, sortedObject } from './lib/serialise.ts'
import { checkNotAhead } from './lib/times.ts'
import { trustLimits } from './payload-types.ts'
import { checkDomain, parseDomain } from './lib/domain.ts'
import { TrustError } from './trust-errors.ts'
import type { EnvelopeInput, Verified } from './verified.ts'

/** A log as a state saw it. */
export interface LogHead {
  readonly size: number
  /** The tree hash at that size, 32 bytes. */
  readonly hash: Uint8Array
}

/**
 * A policy that a state confirms, by its newest rollout. It is the rollout's number that rises from state to state: a return to an older
 * text of the policy is a new rollout.
 */
export interface PolicyVersion {
  /** The number of the rollout. */
  readonly version: number
  /** SHA-256 of the rollout's payload. */
  readonly sha256: Uint8Array
}

/** The bundle that a state rests on. */
export interface BundleReference {
  readonly sequence: number
  /** SHA-256 of the bundle's payload. */
  readonly sha256: Uint8Array
}

/** The heartbeat of a trust domain: all that may change within a bundle's life, signed at least every 5 s. */
export interface State {
  readonly td: TrustDomain
  /** Strictly ascending. */
  readonly seq: number
  /** Milliseconds since 1970; never descends. `time` on the wire. */
  readonly timeMs: number
  readonly bundle: BundleReference
  /** How many revocation records there have been. */
  readonly epoch: number
  /** r_epoch: `chainRevocation` over all of them, 32 bytes. */
  readonly revocations: Uint8Array
  readonly policies: ReadonlyMap<string, PolicyVersion>
  /**
   * Every open log, token logs and attestation logs, by origin; also those that `heads` are of.
   *
   * INVARIANT: a token log's size never runs ahead of its heads. Whatever head ends at or below it was listed by this state or
   * an earlier one; a verifier concludes from a larger size that a head which it cannot find does not exist.
   */
  readonly logs: ReadonlyMap<string, LogHead>
  /** Heads signed since the previous state, in the order in which `headChain` takes them in. */
  readonly heads: readonly HeadRecord[]
  /** `chainHead` over all heads that any state ever listed, those of this state included; 32 bytes. */
  readonly headChain: Uint8Array
}

const members = [
  'td',
  'seq',
  'time',
  'bundle',
  'epoch',
  'revocations',
  'policies',
  'logs',
  'heads',
  'headChain',
  'crit',
]

/**
 * The payload of a state: always the same bytes for the same state.
 *
 * @throws {TrustError} as {@link parseState}: what would be refused is not built.
 */
export function buildState(state: State): Uint8Array {
  const { td, seq, timeMs, bundle, epoch, revocations, policies, logs, heads, headChain } = state
  const payload = serialise({
    td,
    seq,
    time: timeMs,
    bundle: { sequence: bundle.sequence, sha256: base64url(bundle.sha256) },
    epoch,
    revocations: base64url(revocations),
    policies: sortedObject(policies, ({ version, sha256 }) => ({ version, sha256: base64url(sha256) })),
    logs: sortedObject(logs, ({ size, hash }) => ({ size, hash: base64url(hash) })),
    heads: heads.map((head) => buildHead(head)),
    headChain: base64url(headChain),
  })
  parseState(payload)
  return payload
}

/**
 * Reads the payload of a state. Unknown members are ignored unless `crit` lists them. Nothing is verified.
 *
 * @throws {TrustError} `QIP_TRUST_DOCUMENT_MALFORMED` · `QIP_TRUST_LIMIT_EXCEEDED` · `QIP_TRUST_CRITICAL_UNKNOWN`
 */
export function parseState(payload: Uint8Array): State {
  const state = parseDocument(payload, 'state', limits.stateBytesMax)
  state.checkCritical(members)
  const td = parseDomain(state)
  const bundle = state.members('bundle')
  const logs = parseLogs(state.members('logs'), state, td)
  return {
    td,
    seq: state.integer('seq', { min: 1 }),
    timeMs: state.integer('time'),
    bundle: { sequence: bundle.integer('sequence', { min: 1 }), sha256: bundle.hash('sha256') },
    epoch: state.integer('epoch'),
    revocations: state.hash('revocations'),
    policies: parsePolicies(state.members('policies')),
    logs,
    heads: parseHeads(state, logs),
    headChain: state.hash('headChain'),
  }
}

function parsePolicies(policies: Members): Map<string, PolicyVersion> {
  const parsed = new Map<string, PolicyVersion>()
  for (const name of policies.names(trustLimits.policiesMax)) {
    if (name === '' || name.length > trustLimits.nameCharsMax)
      throw policies.malformed(name, 'is no policy name')
    const policy = policies.members(name)
    parsed.set(name, { version: policy.integer('version'), sha256: policy.hash('sha256') })
  }
  return parsed
}

function parseLogs(logs: Members, state: Members, td: TrustDomain): Map<string, LogHead> {
  const parsed = new Map<string, LogHead>()
  for (const origin of logs.names(trustLimits.logsMax)) {
    if (!isOrigin(origin, td)) throw state.malformed('logs', 'has a log of no such trust domain')
    const log = logs.members(origin)
    const size = log.integer('size', { max: limits.logIndexEnd })
    parsed.set(origin, { size, hash: log.hash('hash') })
  }
  return parsed
}

function parseHeads(state: Members, logs: ReadonlyMap<string, LogHead>): HeadRecord[] {
  return state.array('heads', trustLimits.stateHeadsMax).map((value, index) => {
    const head = readHead(value, (reason) => state.malformed(`heads[${index}]`, reason))
    const log = logs.get(head.origin)
    if (log === undefined || head.end > log.size) {
      throw state.malformed(`heads[${index}]`, 'is not under a log of this state')
    }
    return head
  })
}

/**
 * Signs a state with the feed key; the signature is checked before it is returned.
 *
 * @throws {TrustError} as {@link buildState}
 */
export async function signState(state: State, signer: Signer): Promise<Envelope> {
  return signDocument('state', buildState(state), [signer])
}

/** What {@link verifyState} checks, and against what. */
export interface StateToVerify {
  readonly envelope: EnvelopeInput
  /** The bundle that the state should rest on, or a later one. */
  readonly bundle: Pick<Verified<Bundle>, 'document' | 'sha256'>
  readonly timeMs: number
}

/**
 * Verifies a state: signed by an active or retiring feed key of the bundle, for its trust domain, resting on no later and no
 * other bundle, not from the future. How old it may be is for the caller to say; that nothing goes backwards is
 * {@link TrustStore}'s business.
 *
 * @throws {TrustError} `QIP_TRUST_DOCUMENT_MISSING` if it rests on a later bundle · `QIP_TRUST_BUNDLE_MISMATCH` ·
 *   `QIP_TRUST_SIGNATURES_INSUFFICIENT` · `QIP_TRUST_DOMAIN_MISMATCH` · `QIP_TRUST_TIME_AHEAD`, and as {@link parseState}
 */
export async function verifyState(input: StateToVerify): Promise<Verified<State>> {
  const { document: bundle, sha256 } = input.bundle
  const envelope = openEnvelope(input.envelope, 'state')
  const state = parseState(envelope.payload)
  // Before the signature: a later bundle may hold the feed key that made it. A forger gains a request for a bundle.
  const { sequence } = state.bundle
  if (sequence > bundle.sequence) {
    throw new TrustError('QIP_TRUST_DOCUMENT_MISSING', { document: 'state', needs: 'bundle', sequence })
  }
  const keys = feedKeys(bundle).map(({ key }) => key)
  const signers = await checkSignatures(envelope, {
    document: 'state',
    signers: 'feed keys',
    keys,
    threshold: 1,
  })
  checkDomain('state', bundle.td, state.td)
  if (sequence === bundle.sequence && !equalBytes(state.bundle.sha256, sha256)) {
    throw new TrustError('QIP_TRUST_BUNDLE_MISMATCH', { sequence })
  }
  checkNotAhead('state', state.timeMs, input.timeMs)
  return verified(state, envelope, signers)
}
