import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError, systemRandom } from '@quantum-ip/base'
import { compilePolicy, parsePolicy } from '@quantum-ip/policy'
import type { Verdict } from '@quantum-ip/verifier'
import { caller, countingRandom, inputOf, nowMs, service, verdictOf } from '../test/samples.ts'
import {
  DecisionLog,
  type DecisionLogOptions,
  type DecisionRecord,
  type FailOpen,
  type LogRecord,
  type SuppressionRecord,
  failOpensOf,
  formatRecord,
} from './index.ts'

interface Setup {
  readonly log: DecisionLog
  readonly written: LogRecord[]
  readonly told: string[]
  readonly clock: { now: () => number; timeMs: number }
}

function setUp(options: Partial<DecisionLogOptions> = {}): Setup {
  const written: LogRecord[] = []
  const told: string[] = []
  const clock = { timeMs: nowMs, now: () => clock.timeMs }
  const log = new DecisionLog({
    point: 'edge-1',
    clock,
    random: countingRandom(),
    sink: { write: (record) => written.push(record) },
    observer: {
      suppressed: (reason) => told.push(`suppressed ${reason}`),
      lost: () => told.push('lost'),
      failedOpen: (kind) => told.push(`open ${kind}`),
    },
    sampleRatio: 0,
    ...options,
  })
  return { log, written, told, clock }
}

function policyOf(spec: Record<string, unknown>) {
  return compilePolicy(
    parsePolicy({
      apiVersion: 'quantum-ip.dev/v1',
      kind: 'Policy',
      metadata: { name: 'sample', version: 3 },
      spec: { mode: 'enforce', default: { verified: 'allow' }, ...spec },
    }),
  )
}

test('records a refused request with everything that names it, and nothing that could stand in for it', () => {
  const { log, written } = setUp()
  const id = log.record(inputOf('attestation_invalid', { verdict: { authenticated: true } }))
  assert.ok(id)
  assert.deepEqual(written, [
    {
      kind: 'decision',
      id,
      timeMs: nowMs,
      point: 'edge-1',
      region: 'eu-1',
      service,
      traceId: 'ab'.repeat(16),
      status: 'invalid',
      reason: 'attestation_invalid',
      authenticated: true,
      deep: false,
      subject: caller,
      claimedSubject: null,
      build: { digest: 'ab'.repeat(32), evidence: 'measured' },
      attestation: { log: 'acme.example/attestations/1', index: 42 },
      token: { log: 'acme.example/tokens/3', index: 99, digest: 'cd'.repeat(32) },
      head: null,
      epoch: 7,
      policy: { name: 'builtin', version: 1 },
      rule: null,
      exception: null,
      decidedBy: 'default',
      action: 'reject',
      wouldBe: 'reject',
      mode: 'enforce',
      enforced: true,
      deferred: false,
      failOpen: [],
      facts: {
        'request.method': 'GET',
        'request.route': 'shop',
        'env.tier': 'critical',
        'env.timeS': nowMs / 1_000,
        'env.stage': 'enforced',
        'verdict.binding': 'none',
      },
      share: 1,
      path: 'cold',
      durationMs: 0.012,
    },
  ])
})

test('records what is not plainly verified and allowed, always', () => {
  const quarantine = policyOf({ rules: [{ name: 'r', when: 'verdict.deep', action: 'quarantine' }] })
  const failing = policyOf({ rules: [{ name: 'r', when: 'identity.chain[4] == "x"', action: 'reject' }] })
  const monitored = policyOf({
    mode: 'monitor',
    rules: [{ name: 'r', when: 'verdict.deep', action: 'reject' }],
  })
  const { log } = setUp()
  assert.ok(log.record(inputOf('token_absent')))
  assert.ok(log.record(inputOf('ok', { policy: quarantine })))
  assert.ok(log.record(inputOf('ok', { policy: failing })))
  assert.ok(log.record(inputOf('ok', { policy: monitored })))
  assert.equal(log.record(inputOf('ok')), null)
})

const breaking = policyOf({
  exceptions: [
    {
      name: 'cutover',
      owner: 'team-payroll',
      reason: 'CHG-1234',
      expires: new Date(nowMs + 86_400_000).toISOString().replace('.000Z', 'Z'),
      when: 'verdict.deep',
      action: 'allow',
    },
  ],
})

test('records each use of an exception with its owner, whatever else the reason has used up', () => {
  const { log, written } = setUp({ sampleRatio: 1, perReasonMax: 2 })
  for (let n = 0; n < 5; n++) log.record(inputOf('ok'))
  const id = log.record(inputOf('ok', { policy: breaking }))
  assert.ok(id)
  const record = written.at(-1)
  assert.ok(record?.kind === 'decision')
  assert.deepEqual(record.exception, { name: 'cutover', owner: 'team-payroll' })
  assert.deepEqual([record.id, record.decidedBy, record.rule], [id, 'exception', null])
  assert.deepEqual(record.failOpen, ['exception'])
  log.flush()
  const counts = written.flatMap((record) => (record.kind === 'suppressed' ? [record.count] : []))
  assert.deepEqual(counts, [3])
})

test('samples verified and allowed requests by the ratio', () => {
  const { log, written } = setUp({ sampleRatio: 0.25, perReasonMax: 10_000, random: systemRandom })
  for (let n = 0; n < 2000; n++) log.record(inputOf('ok'))
  // 25 % of 2,000, six standard deviations to each side.
  assert.ok(written.length > 384 && written.length < 616, String(written.length))
  const all = setUp({ sampleRatio: 1, perReasonMax: 10_000 })
  for (let n = 0; n < 300; n++) assert.ok(all.log.record(inputOf('ok')))
})

test('caps each reason for itself and writes down what it suppressed', () => {
  const { log, written, told, clock } = setUp({ perReasonMax: 3, windowMs: 1_000 })
  const ids = Array.from({ length: 5 }, () => log.record(inputOf('token_malformed')))
  log.record(inputOf('token_absent'))
  assert.equal(written.length, 4)
  assert.deepEqual(told, ['suppressed token_malformed', 'suppressed token_malformed'])
  assert.ok(ids.every((id) => id !== null))
  assert.ok(log.find(ids[2]!) !== undefined)
  assert.equal(log.find(ids[3]!), undefined)
  clock.timeMs += 1_000
  log.record(inputOf('token_malformed'))
  assert.deepEqual(written[4], {
    kind: 'suppressed',
    id: (written[4] as SuppressionRecord).id,
    point: 'edge-1',
    reason: 'token_malformed',
    cause: 'rate',
    count: 2,
    fromMs: nowMs,
    toMs: nowMs + 1_000,
  })
  assert.equal(written.length, 6)
  log.flush()
  assert.equal(written.length, 6)
})

test('starts a new window when the clock is set back', () => {
  const { log, written, clock } = setUp({ perReasonMax: 1, windowMs: 1_000 })
  log.record(inputOf('token_absent'))
  clock.timeMs -= 3_600_000
  log.record(inputOf('token_absent'))
  assert.equal(written.length, 2)
})

test('finds the newest decisions by ID, with the facts that explain them', () => {
  const { log } = setUp({ recentMax: 2 })
  const [first, second, third] = [1, 2, 3].map(() => log.record(inputOf('token_expired')) ?? '')
  assert.equal(log.find(first!), undefined)
  assert.equal(log.find(second!)?.record.id, second)
  assert.equal(log.find(third!)?.facts['request.path'], '/private')
  assert.deepEqual(
    log.newest(5).map(({ record }) => record.id),
    [third, second],
  )
})

test('lets a hook change or drop a record before anybody keeps it', () => {
  const hidden = setUp({ redact: (record) => ({ ...record, subject: null, claimedSubject: null }) })
  const id = hidden.log.record(inputOf('token_expired'))
  assert.equal((hidden.written[0] as DecisionRecord).claimedSubject, null)
  assert.equal(hidden.log.find(id!)?.record.claimedSubject, null)
  const dropped = setUp({ redact: () => null })
  assert.equal(dropped.log.find(dropped.log.record(inputOf('token_expired'))!), undefined)
  assert.equal(dropped.written.length, 0)
})

function fails(): never {
  throw new Error('disk full')
}

test('counts as lost what the sink does not take or the hook fails on, and goes on', () => {
  const sink = setUp({ sink: { write: fails } })
  assert.ok(sink.log.find(sink.log.record(inputOf('token_absent'))!))
  assert.deepEqual(sink.told, ['lost'])
  const hook = setUp({ redact: fails })
  assert.equal(hook.log.find(hook.log.record(inputOf('token_absent'))!), undefined)
  assert.deepEqual([hook.told, hook.written.length], [['lost'], 0])
})

test('tells each way in which a request passed by name only', () => {
  const notes = verdictOf('ok').notes
  const cases: [FailOpen[], Partial<Verdict>, Record<string, unknown>, Verdict['reason']?][] = [
    [[], {}, {}],
    [[], { notes: { ...notes, staleTrustAccepted: true } }, { default: { verified: 'reject' } }],
    [['monitor'], {}, { mode: 'monitor', default: { verified: 'reject' } }],
    [['canary'], {}, { mode: { canary: '0.01%' }, default: { verified: 'reject' } }],
    [['deferred'], {}, { default: { verified: { action: 'allow', deferred: true } } }, 'ok_shallow'],
    [
      ['anonymous'],
      {},
      { anonymous: true, default: { verified: 'allow', missing: 'allow' } },
      'token_absent',
    ],
    [
      ['unverifiable'],
      { authenticated: true },
      { default: { verified: 'allow', attestation_stale: 'allow' } },
      'attestation_stale',
    ],
    [
      ['stale_trust', 'unanchored_head'],
      { notes: { ...notes, staleTrustAccepted: true, unanchoredHead: true } },
      {},
    ],
    [['replay_per_instance'], { oneTime: true, notes: { ...notes, replayPerInstance: true } }, {}],
    [['domain_audience'], { notes: { ...notes, domainAudience: true } }, {}],
  ]
  for (const [kinds, verdict, spec, reason = 'ok'] of cases) {
    const input = inputOf(reason, { verdict, policy: policyOf(spec) })
    assert.deepEqual(failOpensOf(input.verdict, input.decision), kinds)
    const { log, told } = setUp()
    log.record(input)
    assert.deepEqual(
      told,
      kinds.map((kind) => `open ${kind}`),
    )
  }
})

test('refuses a name that is no enforcement point', () => {
  assert.throws(
    () => setUp({ point: 'Edge 1' }),
    (error) => isQipError(error, 'QIP_TELEMETRY_POINT_MALFORMED'),
  )
})

test('writes a record as one line', () => {
  const { log, written } = setUp()
  log.record(inputOf('token_absent'))
  const line = formatRecord(written[0]!)
  assert.ok(!line.includes('\n'))
  assert.deepEqual(JSON.parse(line), written[0])
})
