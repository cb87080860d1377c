// telemetry_cost
import { systemClock, systemRandom } from '@quantum-ip/base'
import { compilePolicy, decide, factsOf, parsePolicy } from '@quantum-ip/policy'
import {
  continueTrace,
  DecisionLog,
  decisionLogObserver,
  enforcementMetrics,
  Metrics,
  policyObserver,
  TraceSampler,
  verifierObserver,
} from '@quantum-ip/telemetry'
import { round, type Rows, timeRounds } from '../lib/measure.ts'
import { caller, newDomain, service } from '../lib/tokens.ts'

const policy = compilePolicy(
  parsePolicy({
    apiVersion: 'quantum-ip.dev/v1',
    kind: 'Policy',
    metadata: { name: 'default', version: 1 },
    spec: {
      mode: 'enforce',
      default: { verified: 'allow', missing: 'reject', invalid: 'reject', unverifiable: 'reject' },
    },
  }),
)

const request = { method: 'GET', host: 'shop', path: '/', route: 'shop', mtls: null, jwt: null } as const
const environment = {
  region: 'eu',
  mode: 'enforce',
  service,
  tier: 'critical',
  stage: 'enforced',
  incident: false,
}

/**
 * What telemetry adds to a verification with its decision, in one run: cached tokens that pass, verified and decided with and
 * without metrics of both, the trace that begins, whether it is sampled (1 %), and whether the decision is recorded (1 %).
 */
export async function telemetryOnPath(): Promise<Rows> {
  const count = 1_000
  const domain = await newDomain()
  const wanted = Array.from({ length: count }, () => ({ sub: caller, aud: [service] }))
  const tokens = (await domain.issue(wanted)).map(({ text }) => text)
  const metrics = new Metrics({
    metrics: enforcementMetrics,
    sets: { service: [service], enforcement_point: ['gateway'], region: 'eu', policy: ['default'] },
  })
  const place = { metrics, point: 'gateway' }
  const silent = domain.verifier({ cacheMax: count })
  const observed = domain.verifier({ cacheMax: count, observer: verifierObserver(place) })
  for (const token of tokens) {
    for (const verifier of [silent, observed])
      void verifier.verify(domain.input(token, { audience: service }))
  }
  const observer = policyObserver(place)
  const log = new DecisionLog({
    point: 'gateway',
    clock: systemClock,
    random: systemRandom,
    sink: { write: () => undefined },
    observer: decisionLogObserver(place),
  })
  const sampler = new TraceSampler({ share: 0.01, incidentShare: 1, incident: () => false })
  let sampled = 0
  const verdictOf = (verifier: typeof silent, at: number) => {
    const verdict = verifier.verify({ token: tokens[at % count], tokenCount: 1, audience: service })
    if (!('reason' in verdict) || verdict.reason !== 'ok') throw new Error('not cached, or not plain')
    return verdict
  }
  const factsFor = (verdict: ReturnType<typeof verdictOf>) =>
    factsOf({ verdict, request, environment, nowMs: systemClock.now() } as Parameters<typeof factsOf>[0])
  const candidates = {
    with: (times: number) => {
      for (let at = 0; at < times; at++) {
        const begun = continueTrace(undefined, { random: systemRandom })
        const verdict = verdictOf(observed, at)
        const facts = factsFor(verdict)
        const decision = decide(policy, facts, observer)
        log.record({ verdict, decision, facts, traceId: begun.context.traceId })
        if (sampler.decide(begun, true).context.isSampled) sampled += 1
      }
    },
    without: (times: number) => {
      for (let at = 0; at < times; at++) {
        const verdict = verdictOf(silent, at)
        decide(policy, factsFor(verdict))
      }
    },
  }
  // So that how often each is run is not taken from its first, compiling run.
  for (const candidate of Object.values(candidates)) candidate(20_000)
  const timing = await timeRounds(candidates)
  const ns = (timing.with.median - timing.without.median) * 1_000
  return {
    telemetry_cost: {
      value: round(ns),
      unit: 'ns',
      against: 'the same without telemetry',
      bar: '<= 1000',
      reached: ns <= 1_000,
      detail: {
        'with, us': round(timing.with.median),
        'without, us': round(timing.without.median),
        'best difference, ns': round((timing.with.best - timing.without.best) * 1_000),
        'sampled traces': sampled,
      },
    },
  }
}
