import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy, decide, parsePolicy } from '@quantum-ip/policy'
import type { VerifierEvent } from '@quantum-ip/verifier'
import {
  cryptoOperations,
  deepCheckOutcomes,
  headFetchOutcomes,
  lookupSources,
  verdictTable,
  verificationPaths,
  verifierEventKinds,
} from '@quantum-ip/verifier'
import { factsFor, service, verdictOf } from '../test/samples.ts'
import {
  deepCheckPlaces,
  eventPlaces,
  headFetchPlaces,
  operationPlaces,
  pathPlaces,
  sourcePlaces,
  statusByReason,
} from './closed-sets.ts'
import {
  Metrics,
  decisionLogObserver,
  enforcementMetrics,
  formatMetrics,
  metricNames,
  metricRow,
  policyObserver,
  verifierObserver,
} from './index.ts'

function registered(): Metrics {
  return new Metrics({
    metrics: enforcementMetrics,
    sets: {
      service: ['x', service],
      enforcement_point: ['edge-0', 'edge-1'],
      region: 'eu-1',
      policy: ['sample'],
    },
  })
}

function nonZero(metrics: Metrics): string[] {
  return (
    formatMetrics(metrics)
      .split('\n')
      .filter(
        (line) => line !== '' && !line.startsWith('#') && !line.endsWith(' 0') && !line.includes('_bucket{'),
      )
      // It says of the others how many they are.
      .filter((line) => !line.startsWith('quantum_ip_metric_series '))
      .map((line) => line.replace('quantum_ip_', ''))
  )
}

const here = `service="${service}",enforcement_point="edge-1",region="eu-1"`

test('counts a verification under service, point, region, status and reason, and its time under its path', () => {
  const metrics = registered()
  const observer = verifierObserver({ metrics, point: 'edge-1' })
  observer.verification(service, 'token_expired', 'cached', 2)
  observer.verification('spiffe://acme.example/ns/unknown', 'ok', 'cold', 0.5)
  assert.deepEqual(nonZero(metrics), [
    `verifications_total{${here},status="invalid",reason="token_expired"} 1`,
    'verifications_total{service="other",enforcement_point="edge-1",region="eu-1",status="verified",reason="ok"} 1',
    'verification_duration_seconds_sum{enforcement_point="edge-1",path="cold"} 0.0005',
    'verification_duration_seconds_count{enforcement_point="edge-1",path="cold"} 1',
    'verification_duration_seconds_sum{enforcement_point="edge-1",path="cached"} 0.002',
    'verification_duration_seconds_count{enforcement_point="edge-1",path="cached"} 1',
    'cache_hits_total{cache="token"} 1',
  ])
})

test('counts what else the verifier tells', () => {
  const metrics = registered()
  const events: VerifierEvent[] = []
  const observer = verifierObserver({ metrics, point: 'edge-0' }, (event) => events.push(event))
  observer.headFetch('shed')
  observer.ledgerLookup('local', 4)
  observer.crypto('verify_jwt', 'ML-DSA-65', 250)
  observer.crypto('verify_attestation', 'something new', 500)
  observer.deepCheck('stale')
  observer.attestationAge(90_000)
  const head = {
    td: 'a',
    origin: 'a',
    keyId: 1,
    start: 0,
    end: 1,
    hash: new Uint8Array(32),
    signed: undefined,
  }
  observer.event({ kind: 'head_unlogged', head, decisions: 3 })
  assert.deepEqual(nonZero(metrics), [
    'attestation_age_seconds_sum 90',
    'attestation_age_seconds_count 1',
    'ledger_lookup_duration_seconds_sum{source="local"} 0.004',
    'ledger_lookup_duration_seconds_count{source="local"} 1',
    'crypto_cpu_seconds_total{operation="verify_jwt",scheme="ML-DSA-65"} 0.25',
    'crypto_cpu_seconds_total{operation="verify_attestation",scheme="other"} 0.5',
    'deep_checks_total{outcome="stale"} 1',
    'head_fetches_total{outcome="shed"} 1',
    'verifier_events_total{kind="head_unlogged"} 1',
  ])
  assert.equal(events.length, 1)
})

function policyIn(mode: unknown, when = 'verdict.deep') {
  return compilePolicy(
    parsePolicy({
      apiVersion: 'quantum-ip.dev/v1',
      kind: 'Policy',
      metadata: { name: 'sample', version: 1 },
      spec: { mode, rules: [{ name: 'r', when, action: 'quarantine' }], default: { verified: 'allow' } },
    }),
  )
}

test('counts a decision under what it would do and how far it was carried out', () => {
  const verdict = verdictOf('ok')
  const facts = factsFor(verdict)
  const cases: [unknown, string][] = [
    ['enforce', 'enforce'],
    ['monitor', 'monitor'],
    [{ canary: '100%' }, 'canary'],
    [{ canary: '0.01%' }, 'monitor'],
  ]
  for (const [mode, label] of cases) {
    const metrics = registered()
    decide(policyIn(mode), facts, policyObserver({ metrics, point: 'edge-1' }))
    assert.deepEqual(nonZero(metrics), [
      `decisions_total{${here},status="verified",reason="ok",action="quarantine",mode="${label}",policy="sample"} 1`,
    ])
  }
})

test('counts a condition that failed', () => {
  const metrics = registered()
  const policy = policyIn('enforce', 'identity.chain[5] == "x"')
  decide(policy, factsFor(verdictOf('ok')), policyObserver({ metrics, point: 'edge-1' }))
  assert.ok(nonZero(metrics).includes('policy_errors_total{policy="sample"} 1'))
})

test('counts each use of an exception', () => {
  const metrics = registered()
  const facts = factsFor(verdictOf('ok'))
  const decision = { ...decide(policyIn('enforce'), facts), exception: { name: 'e', owner: 'o' } }
  policyObserver({ metrics, point: 'edge-1' }).decided(decision, facts)
  assert.ok(nonZero(metrics).includes('policy_exceptions_total{policy="sample"} 1'))
})

test('counts what the decision log tells', () => {
  const metrics = registered()
  const observer = decisionLogObserver({ metrics, point: 'edge-1' })
  observer.suppressed('token_malformed')
  observer.lost()
  observer.failedOpen('stale_trust')
  assert.deepEqual(nonZero(metrics), [
    'fail_open_total{enforcement_point="edge-1",kind="stale_trust"} 1',
    'decision_records_suppressed_total{reason="token_malformed"} 1',
    'decision_records_lost_total 1',
  ])
})

test('refuses an enforcement point that was not registered', () => {
  const metrics = registered()
  for (const observer of [verifierObserver, policyObserver, decisionLogObserver]) {
    assert.throws(() => observer({ metrics, point: 'edge-2' }), TypeError)
  }
})

test('has the closed sets of the verifier, in their order', () => {
  assert.deepEqual(
    Object.entries(statusByReason),
    Object.entries(verdictTable).map(([reason, { status }]) => [reason, status]),
  )
  const sets: [Readonly<Record<string, number>>, readonly string[]][] = [
    [pathPlaces, verificationPaths],
    [sourcePlaces, lookupSources],
    [deepCheckPlaces, deepCheckOutcomes],
    [headFetchPlaces, headFetchOutcomes],
    [eventPlaces, verifierEventKinds],
  ]
  for (const [places, members] of sets) {
    assert.deepEqual(places, Object.fromEntries(members.map((member, place) => [member, place])))
  }
  assert.deepEqual(Object.keys(operationPlaces).slice(0, cryptoOperations.length), [...cryptoOperations])
  assert.deepEqual(Object.values(operationPlaces), [...Object.keys(operationPlaces).keys()])
})

test('names metrics as Prometheus asks', () => {
  for (const name of metricNames) {
    const { type, help } = metricRow(name)
    assert.match(name, /^[a-z][a-z_]*[a-z]$/)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    assert.match(help, /^[A-Z].*\.$/s, name)
    const row = metricRow(name)
    if (row.type === 'histogram') {
      assert.ok(
        row.buckets.every((bound, at) => at === 0 || bound > (row.buckets[at - 1] as number)),
        name,
      )
    }
  }
})
