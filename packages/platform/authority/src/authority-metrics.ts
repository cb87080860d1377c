import {
  authorityMetrics,
  cryptoObserver,
  keyUses,
  type MeasuredOperation,
  Metrics,
  otherValue,
} from '@quantum-ip/telemetry'
import { keyStates } from '@quantum-ip/trust'
import { silentObserver, type VerifierObserver } from '@quantum-ip/verifier'
import type { Authority } from './authority.ts'
import type { AdjudicationVerdict } from './decisions/adjudications.ts'
import type { KeyOperation } from './detection/counted-custody.ts'
import type { SecurityEvent } from './detection/security-events.ts'
import type { IssuedBatch } from './issuance/issuer.ts'
import { setDeclaredGauges } from './operations/declared-gauges.ts'
import type { Declared } from './operations/declared-view.ts'

/** The authority's part of `/metrics`. */
export interface AuthorityMeter {
  /** Counts a batch; passed to the authority as its `onBatch`. */
  batch(batch: IssuedBatch): void
  /** Counts a use of a key; passed as `onKeyUse`. */
  keyUse(use: string, operation: KeyOperation): void
  /** Counts the time of a signature; passed as `onSigned`. */
  signed(use: string, scheme: string, durationMs: number): void
  /** Counts the time that the signatures of an envelope took; passed as `onVerified`. */
  verified(durationMs: number): void
  /** What verification as a service tells of itself. */
  readonly verifier: VerifierObserver
  /** Counts a security event; passed as `onSecurityEvent`. */
  securityEvent(event: SecurityEvent): void
  /** Counts what an operator says of a decision; passed as `onAdjudication`. */
  adjudication(verdict: AdjudicationVerdict): void
  /** Sets the gauges to what is true now: before the metrics are read. `undefined`: another one leads, and says how the fleet is. */
  refresh(authority: Authority | undefined): void
  /** Sets the gauges of incidents and windows, see {@link Authority.operations}. */
  declared(declared: Declared, nowMs: number): void
}

/**
 * Opens the meter of an authority.
 *
 * @param metrics where to count, with at least {@link authorityMetrics} registered; by default one of its own
 */
export function openAuthorityMeter(
  metrics: Metrics = new Metrics({ metrics: authorityMetrics }),
): AuthorityMeter {
  const issued = metrics.counter('tokens_issued_total')
  const formPlace = issued.places(0)
  const sizes = metrics.histogram('issuance_batch_size')
  const uses = metrics.counter('key_use_total')
  const [usePlace, operationPlace] = [uses.places(0), uses.places(1)]
  const crypto = cryptoObserver(metrics)
  const lookups = metrics.histogram('ledger_lookup_duration_seconds')
  const lookupPlace = lookups.places(0)
  const events = metrics.counter('security_events_total')
  const eventPlace = events.places(0)
  const adjudications = metrics.counter('adjudications_total')
  const adjudicationPlace = adjudications.places(0)
  return {
    batch({ forms, tokens }) {
      for (const [form, count] of forms) issued.add(formPlace(form), count)
      sizes.observe(0, tokens)
    },
    keyUse(use, operation) {
      // A key that was dropped from the store a moment ago is nobody's any more.
      if (isKeyUse(use)) uses.add(uses.series([usePlace(use), operationPlace(operation)]))
    },
    signed: (use, scheme, durationMs) => crypto(signOperation(use), scheme, durationMs),
    // An envelope has signatures of several schemes at once.
    verified: (durationMs) => crypto('verify_attestation', otherValue, durationMs),
    verifier: {
      ...silentObserver,
      crypto,
      ledgerLookup: (source, durationMs) => lookups.observe(lookupPlace(source), durationMs / 1_000),
    },
    securityEvent: ({ kind }) => events.add(eventPlace(kind)),
    adjudication: (verdict) => adjudications.add(adjudicationPlace(verdict)),
    refresh(authority) {
      if (authority === undefined) forgetGauges(metrics)
      else setGauges(metrics, authority)
    },
    declared: (declared, nowMs) => setDeclaredGauges(metrics, declared, nowMs),
  }
}

function signOperation(use: string): MeasuredOperation {
  if (use === 'qip-token') return 'sign_head'
  return use === 'qip-jwt' ? 'sign_jwt' : 'sign_document'
}

const known = new Set<string>(keyUses)

function isKeyUse(use: string): boolean {
  return known.has(use)
}

/** What led and leads no more would else go on saying how the fleet was then. */
function forgetGauges(metrics: Metrics): void {
  for (const name of ['fleet_members', 'fleet_members_current', 'revocation_epoch'] as const)
    metrics.gauge(name).set(0, Number.NaN)
  const states = metrics.gauge('key_state')
  const [usePlace, statePlace] = [states.places(0), states.places(1)]
  for (const use of keyUses) {
    for (const state of keyStates) states.set(states.series([usePlace(use), statePlace(state)]), Number.NaN)
  }
}

function setGauges(metrics: Metrics, authority: Authority): void {
  const { seq } = authority.publisher.current
  const members = authority.fleet.list()
  metrics.gauge('fleet_members').set(0, members.length)
  // A member acknowledges every few seconds; one state in between is not a lag.
  const current = members.filter(
    (member) => member.seq >= seq || member.epoch === authority.revocations.epoch,
  )
  metrics.gauge('fleet_members_current').set(0, current.length)
  metrics.gauge('revocation_epoch').set(0, authority.revocations.epoch)
  const states = metrics.gauge('key_state')
  const [usePlace, statePlace] = [states.places(0), states.places(1)]
  const held = authority.keys.list()
  for (const use of new Set(held.map(({ record }) => record.use))) {
    for (const state of keyStates) {
      const count = held.filter(({ record }) => record.use === use && record.state === state).length
      states.set(states.series([usePlace(use), statePlace(state)]), count)
    }
  }
}
