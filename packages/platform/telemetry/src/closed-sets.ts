import type { Action, EngineFault, PolicyMode } from '@quantum-ip/policy'
import type {
  CryptoOperation,
  DeepCheckOutcome,
  HeadFetchOutcome,
  LookupSource,
  Reason,
  ReplayOutcome,
  VerificationPath,
  VerifierEvent,
  verdictTable,
} from '@quantum-ip/verifier'

// Telemetry imports types only, so the closed sets are written again. Each is an object over the type: the
// compiler refuses it as soon as it lacks a member or has one too many. Values are places in arrays of counters.

type Places<Member extends string> = { readonly [Each in Member]: number }

/** Every reason of a verdict with its status, in the order of the verifier's table. */
export const statusByReason: { readonly [R in Reason]: (typeof verdictTable)[R]['status'] } = {
  ok: 'verified',
  ok_shallow: 'verified',
  ok_retry: 'verified',
  token_absent: 'missing',
  token_stripped: 'missing',
  token_truncated: 'missing',
  token_malformed: 'invalid',
  key_unknown: 'invalid',
  signature_invalid: 'invalid',
  head_unknown: 'invalid',
  token_expired: 'invalid',
  token_not_yet_valid: 'invalid',
  audience_mismatch: 'invalid',
  binding_mismatch: 'invalid',
  token_replayed: 'invalid',
  key_revoked: 'invalid',
  token_revoked: 'invalid',
  identity_revoked: 'invalid',
  build_revoked: 'invalid',
  attestation_invalid: 'invalid',
  trust_stale: 'unverifiable',
  head_unavailable: 'unverifiable',
  attestation_unavailable: 'unverifiable',
  attestation_stale: 'unverifiable',
  replay_unavailable: 'unverifiable',
  overloaded: 'unverifiable',
}

/** Every reason, in order. */
export const reasons = Object.keys(statusByReason) as readonly Reason[]

/** Place of each reason. */
export const reasonPlaces = Object.fromEntries(
  reasons.map((reason, place) => [reason, place]),
) as Places<Reason>

/** Place of each way of a verification. */
export const pathPlaces: Places<VerificationPath> = { cold: 0, cached: 1, deep: 2 }

/** Place of each action. */
export const actionPlaces: Places<Action> = { allow: 0, reject: 1, quarantine: 2 }

/** Place of each mode. */
export const modePlaces: Places<PolicyMode> = { monitor: 0, canary: 1, enforce: 2 }

/** Place of each source of a look-up. */
export const sourcePlaces: Places<LookupSource> = { cache: 0, local: 1, remote: 2 }

/** Place of each outcome of a deep check. */
export const deepCheckPlaces: Places<DeepCheckOutcome> = {
  passed: 0,
  failed: 1,
  unavailable: 2,
  stale: 3,
  skipped: 4,
  deferred: 5,
  dropped: 6,
}

/** Place of each outcome of a head's fetch. */
export const headFetchPlaces: Places<HeadFetchOutcome> = {
  found: 0,
  absent: 1,
  unavailable: 2,
  refused: 3,
  shed: 4,
}

/** Place of each kind of event that an operator must hear of. */
export const eventPlaces: Places<VerifierEvent['kind']> = {
  head_late: 0,
  head_unlogged: 1,
  log_equivocation: 2,
}

/**
 * The kinds of security events that an authority keeps.
 *
 * - `head_unlogged`: a head that is signed and is not in the log
 * - `log_equivocation`: two signed heads for one place of a log
 * - `key_unknown`: tokens in traffic name a key that nobody knows
 * - `key_rate_changed`: keys of one use sign far more often than they did
 * - `attestation_invalid`: an attestation does not hold, and requests had passed on it
 * - `policy_rolled_back`: a promotion of a policy went back by itself
 */
export type SecurityEventKind =
  | 'head_unlogged'
  | 'log_equivocation'
  | 'key_unknown'
  | 'key_rate_changed'
  | 'attestation_invalid'
  | 'policy_rolled_back'

/** Place of each kind. */
export const securityEventPlaces: Places<SecurityEventKind> = {
  head_unlogged: 0,
  log_equivocation: 1,
  key_unknown: 2,
  key_rate_changed: 3,
  attestation_invalid: 4,
  policy_rolled_back: 5,
}

/** The kinds, in order. */
export const securityEventKinds = Object.keys(securityEventPlaces) as readonly SecurityEventKind[]

/** What signature time is spent on: by verifiers, and by the authority. */
export type MeasuredOperation = CryptoOperation | 'sign_head' | 'sign_jwt' | 'sign_document'

/** Place of each operation. */
export const operationPlaces: Places<MeasuredOperation> = {
  verify_head: 0,
  verify_jwt: 1,
  verify_attestation: 2,
  verify_proof: 3,
  sign_head: 4,
  sign_jwt: 5,
  sign_document: 6,
}

/** The signature schemes that are measured apart; any other is `other`. */
export const schemes = [
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
  'SLH-DSA-SHA2-128s',
  'Ed25519',
  'ML-DSA-44-Ed25519',
  'ML-DSA-65-Ed25519',
  'ES256',
] as const

/**
 * Why a request was shed: answered with 503 at once, so that others are served in time.
 *
 * - `delay`: the thread is late with its work, and the service's tier gives way
 * - `in_flight`: too many requests in flight for the service's tier, or at all
 * - `upstream`: the upstream has as many as it may
 * - `verifier`: too many signatures or look-ups are waited for; the verdict is `overloaded`
 * - `quarantine`: the share of quarantined requests is used up
 */
export type ShedCause = 'delay' | 'in_flight' | 'upstream' | 'verifier' | 'quarantine'

/** Place of each of them. */
export const shedPlaces: Places<ShedCause> = {
  delay: 0,
  in_flight: 1,
  upstream: 2,
  verifier: 3,
  quarantine: 4,
}

/** The tiers of services, the one that is shed last first. */
export const tiers = ['critical', 'standard', 'low'] as const

/**
 * Every way in which something passes that closed operation would stop. Each is asked for by name in
 * configuration, and counted.
 */
export type FailOpen =
  | 'monitor'
  | 'canary'
  | 'deferred'
  | 'anonymous'
  | 'unverifiable'
  | 'stale_trust'
  | 'unanchored_head'
  | 'replay_per_instance'
  | 'domain_audience'
  | 'exception'
  | 'engine_unavailable'

/** Place of each of them. */
export const failOpenPlaces: Places<FailOpen> = {
  monitor: 0,
  canary: 1,
  deferred: 2,
  anonymous: 3,
  unverifiable: 4,
  stale_trust: 5,
  unanchored_head: 6,
  replay_per_instance: 7,
  domain_audience: 8,
  exception: 9,
  engine_unavailable: 10,
}

/** How a question to an engine beside CEL ended; what each means stands with `EngineFault` in `@quantum-ip/policy`. */
export type EngineOutcome = 'decided' | 'silent' | 'cached' | EngineFault

/** Place of each of them. */
export const enginePlaces: Places<EngineOutcome> = {
  decided: 0,
  silent: 1,
  cached: 2,
  timeout: 3,
  unreachable: 4,
  busy: 5,
  failed: 6,
  malformed: 7,
}

/** Place of each outcome of a check of the shared replay store. */
export const replayPlaces: Places<ReplayOutcome> = {
  fresh: 0,
  fresh_here: 1,
  replayed: 2,
  retry: 3,
  unavailable: 4,
}

/** Why the shared replay store gave no answer; what each means stands with `ReplayFault` in `@quantum-ip/replay`. */
export type ReplayStoreFault = 'away' | 'timeout' | 'open' | 'unchecked' | 'evicts' | 'clock' | 'floor'

/** Place of each of them. */
export const replayFaultPlaces: Places<ReplayStoreFault> = {
  away: 0,
  timeout: 1,
  open: 2,
  unchecked: 3,
  evicts: 4,
  clock: 5,
  floor: 6,
}

/** Why the memory of the shared replay store began anew. */
export type ReplayFloorCause = 'new' | 'lost' | 'primary' | 'evicted' | 'clock'

/** Place of each of them. */
export const replayFloorPlaces: Places<ReplayFloorCause> = {
  new: 0,
  lost: 1,
  primary: 2,
  evicted: 3,
  clock: 4,
}

/** How bad an incident is. */
export type IncidentSeverity = 'critical' | 'major' | 'minor'

/** Place of each of them. */
export const incidentSeverityPlaces: Places<IncidentSeverity> = { critical: 0, major: 1, minor: 2 }

/** The severities, the worst first. */
export const incidentSeverities = Object.keys(incidentSeverityPlaces) as readonly IncidentSeverity[]

/** Why alerts are not wanted for a while. */
export type WindowKind = 'maintenance' | 'rotation'

/** Place of each of them. */
export const windowKindPlaces: Places<WindowKind> = { maintenance: 0, rotation: 1 }

/** The kinds, in order. */
export const windowKinds = Object.keys(windowKindPlaces) as readonly WindowKind[]

/** What is sent to a Collector. */
export type TelemetrySignal = 'metrics' | 'traces' | 'logs'

/** Place of each of them. */
export const signalPlaces: Places<TelemetrySignal> = { metrics: 0, traces: 1, logs: 2 }

/**
 * What became of it: a metric counts as one for each sending of all metrics.
 *
 * - `sent`: the Collector took it
 * - `failed`: it did not, or not in time
 * - `queue_full`: too much waited already
 * - `over_rate`: more spans per second than are wanted
 */
export type ExportOutcome = 'sent' | 'failed' | 'queue_full' | 'over_rate'

/** Place of each of them. */
export const exportOutcomePlaces: Places<ExportOutcome> = { sent: 0, failed: 1, queue_full: 2, over_rate: 3 }

/**
 * Why a connection of a flow was closed before a byte of it reached an upstream, besides by the policy.
 *
 * - `peer_unlisted`: not one of those whose header is read
 * - `proxy_…`: no header of the PROXY protocol's version 2, or one that is not taken
 * - `names_malformed`, `names_contradict`: what the header says of the caller is none, or not what the token says
 * - `quarantine_closed`: it would go to quarantine, and there is none
 * - `overloaded`: more connections than there may be
 * - `upstream_unreachable`: the upstream did not answer in time
 * - `defect`: a mistake of ours
 */
export type FlowRefusalCause =
  | 'peer_unlisted'
  | 'proxy_absent'
  | 'proxy_version'
  | 'proxy_command'
  | 'proxy_family'
  | 'proxy_oversize'
  | 'proxy_addresses'
  | 'proxy_tlv'
  | 'proxy_crc'
  | 'proxy_duplicate'
  | 'proxy_timeout'
  | 'proxy_truncated'
  | 'names_malformed'
  | 'names_contradict'
  | 'quarantine_closed'
  | 'overloaded'
  | 'upstream_unreachable'
  | 'defect'

/** Place of each of them. */
export const flowRefusalPlaces: Places<FlowRefusalCause> = {
  peer_unlisted: 0,
  proxy_absent: 1,
  proxy_version: 2,
  proxy_command: 3,
  proxy_family: 4,
  proxy_oversize: 5,
  proxy_addresses: 6,
  proxy_tlv: 7,
  proxy_crc: 8,
  proxy_duplicate: 9,
  proxy_timeout: 10,
  proxy_truncated: 11,
  names_malformed: 12,
  names_contradict: 13,
  quarantine_closed: 14,
  overloaded: 15,
  upstream_unreachable: 16,
  defect: 17,
}

/**
 * Why an open connection of a flow was cut.
 *
 * - `ended`: its token is past its end
 * - `revoked`: the token, its caller, its build or its key was revoked
 * - `upstream`: the upstream broke off
 * - `idle`: neither side said anything for too long
 * - `stopping`: this process stopped, and the connection outlived the deadline
 */
export type FlowCutCause = 'ended' | 'revoked' | 'upstream' | 'idle' | 'stopping'

/** Place of each of them. */
export const flowCutPlaces: Places<FlowCutCause> = {
  ended: 0,
  revoked: 1,
  upstream: 2,
  idle: 3,
  stopping: 4,
}
