import type { PolicyObserver } from '@quantum-ip/policy'
import type { Reason, VerifierEvent, VerifierObserver } from '@quantum-ip/verifier'
import {
  actionPlaces,
  type EngineOutcome,
  deepCheckPlaces,
  enginePlaces,
  eventPlaces,
  failOpenPlaces,
  headFetchPlaces,
  type MeasuredOperation,
  modePlaces,
  operationPlaces,
  pathPlaces,
  reasonPlaces,
  type ShedCause,
  schemes,
  shedPlaces,
  sourcePlaces,
  tiers,
} from './closed-sets.ts'
import type { DecisionLogObserver } from './decision-log.ts'
import { otherValue } from './dimensions.ts'
import type { Counter, Metrics } from './metrics.ts'

/** Where observers count. */
export interface ObserverPlace {
  readonly metrics: Metrics
  /** Name of the enforcement point; one of those that the metrics were registered with. */
  readonly point: string
}

/**
 * The verifier's observer: counts what it tells into {@link enforcementMetrics}. Events an operator must hear of
 * also go to `onEvent`, keys that nobody knows to `onUnknownKey`.
 *
 * @throws {TypeError} if a metric is not registered, or no point of this name.
 */
export function verifierObserver(
  { metrics, point }: ObserverPlace,
  onEvent: (event: VerifierEvent) => void = () => {},
  onUnknownKey: VerifierObserver['unknownKey'] = () => {},
): VerifierObserver {
  const verifications = metrics.counter('verifications_total')
  const service = basesByService(verifications, point)
  const durations = metrics.histogram('verification_duration_seconds')
  const duration = durations.series([durations.places(0)(point), 0])
  const fetches = metrics.counter('head_fetches_total')
  const lookups = metrics.histogram('ledger_lookup_duration_seconds')
  const hits = metrics.counter('cache_hits_total')
  const [tokenHit, attestationHit] = [hits.places(0)('token'), hits.places(0)('attestation')]
  const deepChecks = metrics.counter('deep_checks_total')
  const ages = metrics.histogram('attestation_age_seconds')
  const events = metrics.counter('verifier_events_total')
  return {
    verification(id, reason, path, durationMs) {
      verifications.add(service(id) + reasonPlaces[reason])
      durations.observe(duration + pathPlaces[path], durationMs / 1000)
      if (path === 'cached') hits.add(tokenHit)
    },
    headFetch: (outcome) => fetches.add(headFetchPlaces[outcome]),
    ledgerLookup(source, durationMs) {
      lookups.observe(sourcePlaces[source], durationMs / 1000)
      if (source === 'cache') hits.add(attestationHit)
    },
    crypto: cryptoObserver(metrics),
    deepCheck: (outcome) => deepChecks.add(deepCheckPlaces[outcome]),
    attestationAge: (ageMs) => ages.observe(0, ageMs / 1000),
    event(event) {
      events.add(eventPlaces[event.kind])
      onEvent(event)
    },
    unknownKey: onUnknownKey,
  }
}

/**
 * Counts time spent on signatures, by operation and scheme.
 *
 * @throws {TypeError} if the metric is not registered.
 */
export function cryptoObserver(
  metrics: Metrics,
): (operation: MeasuredOperation, scheme: string, durationMs: number) => void {
  const crypto = metrics.counter('crypto_cpu_seconds_total')
  const schemePlaces = new Map<string, number>(schemes.map((scheme, place) => [scheme, place]))
  return (operation, scheme, durationMs) => {
    const place = schemePlaces.get(scheme) ?? schemes.length
    crypto.add(operationPlaces[operation] * crypto.stride(0) + place, durationMs / 1000)
  }
}

/**
 * The policy's observer: counts decisions, uses of exceptions and conditions that failed, into {@link enforcementMetrics}.
 *
 * @throws {TypeError} if a metric is not registered, or no point of this name.
 */
export function policyObserver({ metrics, point }: ObserverPlace): PolicyObserver {
  const decisions = metrics.counter('decisions_total')
  const service = basesByService(decisions, point)
  const policyPlace = decisions.places(6)
  const [outcomeStride, actionStride, modeStride] = [3, 4, 5].map((dimension) =>
    decisions.stride(dimension),
  ) as [number, number, number]
  const errors = metrics.counter('policy_errors_total')
  const exceptions = metrics.counter('policy_exceptions_total')
  return {
    decided(decision, facts) {
      const policy = policyPlace(decision.policy.name)
      decisions.add(
        service(facts['env.service']) +
          reasonPlaces[facts['verdict.reason'] as Reason] * outcomeStride +
          actionPlaces[decision.wouldBe] * actionStride +
          modePlaces[decision.enforced ? decision.mode : 'monitor'] * modeStride +
          policy,
      )
      if (decision.reason === 'policy_error') errors.add(policy)
      if (decision.exception !== null) exceptions.add(policy)
    },
  }
}

// The first series of each service at this point: what remains on the hot path is one look-up and additions.
function basesByService(counter: Counter, point: string): (service: string) => number {
  const place = counter.places(0)
  const stride = counter.stride(0)
  const base = counter.places(1)(point) * counter.stride(1)
  return (service) => place(service) * stride + base
}

/**
 * The decision log's observer: counts what was suppressed, lost and let through into {@link enforcementMetrics}.
 *
 * @throws {TypeError} if a metric is not registered, or no point of this name.
 */
export function decisionLogObserver({ metrics, point }: ObserverPlace): DecisionLogObserver {
  const suppressed = metrics.counter('decision_records_suppressed_total')
  const lost = metrics.counter('decision_records_lost_total')
  const unlogged = metrics.counter('unlogged_decisions_total')
  const failOpens = metrics.counter('fail_open_total')
  const base = failOpens.series([failOpens.places(0)(point), 0])
  return {
    suppressed: (reason) => suppressed.add(reasonPlaces[reason]),
    lost: () => lost.add(0),
    unlogged: () => unlogged.add(0),
    failedOpen: (kind) => failOpens.add(base + failOpenPlaces[kind]),
  }
}

/**
 * Counts how questions to engines end.
 *
 * @throws {TypeError} if the metric is not registered.
 */
export function engineObserver({
  metrics,
}: Pick<ObserverPlace, 'metrics'>): (outcome: EngineOutcome) => void {
  const answers = metrics.counter('policy_engine_answers_total')
  return (outcome) => answers.add(enginePlaces[outcome])
}

/** What shedding tells, counted into {@link enforcementMetrics}. */
export interface LoadObserver {
  /** A request was shed: a verification, too, that ended as `overloaded`, unless the verifier said so itself and counted it. */
  shed(cause: ShedCause, service?: string): void
  /** What is true now, for gauges. `shares`: what is let in of each tier. */
  refresh(now: {
    readonly delayMs: number
    readonly shares: readonly number[]
    readonly inFlight: number
  }): void
}

/**
 * Counts what is shed, and shows the load.
 *
 * @throws {TypeError} if a metric is not registered, or no point of this name.
 */
export function loadObserver({ metrics, point }: ObserverPlace): LoadObserver {
  const shed = metrics.counter('requests_shed_total')
  const shedPlace = shed.places(0)
  const shedStride = shed.stride(0)
  const verifications = metrics.counter('verifications_total')
  const service = basesByService(verifications, point)
  const delay = metrics.gauge('load_delay_seconds')
  const admitted = metrics.gauge('load_admitted_ratio')
  const inFlight = metrics.gauge('requests_in_flight')
  return {
    shed(cause, id = otherValue) {
      shed.add(shedPlace(id) * shedStride + shedPlaces[cause])
      // Quarantined and saturated ones were verified, and so were those that the verifier shed.
      if (cause === 'delay' || cause === 'in_flight') verifications.add(service(id) + reasonPlaces.overloaded)
    },
    refresh(now) {
      delay.set(0, now.delayMs / 1_000)
      inFlight.set(0, now.inFlight)
      for (const place of tiers.keys()) admitted.set(place, now.shares[place] ?? 1)
    },
  }
}
