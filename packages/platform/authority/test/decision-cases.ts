import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isQipError, type Json, type JsonObject } from '@quantum-ip/base'
import { Acts } from '../src/acts.ts'
import { Adjudications, type AdjudicationVerdict } from '../src/decisions/adjudications.ts'
import type { Grouping } from '../src/decisions/decision-counts.ts'
import type { DecisionFilter } from '../src/decisions/decision-filter.ts'
import type { ReportedDecision } from '../src/decisions/decision-row.ts'
import { Decisions } from '../src/decisions/decisions.ts'
import type { Sql } from '../src/store/sql.ts'

export const nowMs = 1_800_000_000_000
const clock = { now: () => nowMs }

const reasons = ['ok', 'token_absent', 'token_expired']
const services = ['spiffe://acme.example/a', 'spiffe://acme.example/b'] as const
const logs = ['acme.example/tokens/1', 'acme.example/tokens/2']
const traces = ['0'.repeat(32), '1'.repeat(32)]
const builds = ['ab'.repeat(32), 'cd'.repeat(32)]

const pick = <T>(values: readonly T[]) => fc.constantFrom(...values)
const drawn = fc.record({
  // Few times, so that many decisions share one: a page may end between two of them.
  timeMs: fc.integer({ min: nowMs - 5, max: nowMs }),
  reason: pick(reasons),
  status: pick(['verified', 'missing']),
  action: pick(['allow', 'reject']),
  wouldBe: pick(['allow', 'reject']),
  service: pick(services),
  subject: pick([...services, null]),
  build: pick([...builds, null]),
  token: pick([null, ...logs.flatMap((log) => [0, 1].map((index) => ({ log, index })))]),
  attestation: pick([null, ...[0, 1].map((index) => ({ log: 'acme.example/attestations/1', index }))]),
  point: pick(['edge-1', 'edge-2']),
  policy: pick([1, 2].map((version) => ({ name: 'shop', version }))),
  rule: pick(['first', null]),
  traceId: pick([...traces, null]),
  head: pick([null, 'provisional', 'unlogged']),
  share: pick([1, 0.01]),
})

type Drawn = typeof drawn extends fc.Arbitrary<infer Value> ? Value : never

function decisionOf(id: string, { timeMs, build, ...rest }: Drawn): ReportedDecision {
  const record = {
    id,
    timeMs,
    ...rest,
    build: build === null ? null : { digest: build, evidence: 'measured' },
  }
  return { id, timeMs, reason: rest.reason, record }
}

const maybe = <T>(values: readonly T[]) => fc.option(pick(values), { nil: undefined, freq: 3 })
const filters = fc.record({
  sinceMs: maybe([nowMs - 3, nowMs]),
  untilMs: maybe([nowMs - 1, nowMs]),
  reasons: maybe([['ok'], ['token_absent'], ['ok', 'token_expired'], ['never_seen']]),
  status: maybe(['missing']),
  action: maybe(['reject']),
  wouldBe: maybe(['reject']),
  service: maybe(services),
  subject: maybe(services),
  build: maybe(builds),
  log: maybe(logs),
  index: maybe([0, 1]),
  head: maybe(['provisional', 'unlogged'] as const),
  attestationLog: maybe(['acme.example/attestations/1']),
  attestationIndex: maybe([0, 1]),
  point: maybe(['edge-1']),
  policy: maybe(['shop', 'other']),
  policyVersion: maybe([1, 2]),
  rule: maybe(['first']),
  trace: maybe(traces),
})

const inside = (value: Json | undefined, name: string): unknown => (value as JsonObject | null)?.[name]

/** The same question, asked of a list. */
function holds({ timeMs, reason, record }: ReportedDecision, filter: DecisionFilter): boolean {
  const asked: readonly (readonly [wanted: unknown, found: unknown])[] = [
    [filter.status, record['status']],
    [filter.action, record['action']],
    [filter.wouldBe, record['wouldBe']],
    [filter.service, record['service']],
    [filter.subject, record['subject']],
    [filter.build, inside(record['build'], 'digest')],
    [filter.log, inside(record['token'], 'log')],
    [filter.index, inside(record['token'], 'index')],
    [filter.head, record['head']],
    [filter.attestationLog, inside(record['attestation'], 'log')],
    [filter.attestationIndex, inside(record['attestation'], 'index')],
    [filter.point, record['point']],
    [filter.policy, inside(record['policy'], 'name')],
    [filter.policyVersion, inside(record['policy'], 'version')],
    [filter.rule, record['rule']],
    [filter.trace, record['traceId']],
  ]
  return (
    asked.every(([wanted, found]) => wanted === undefined || wanted === found) &&
    (filter.sinceMs === undefined || timeMs >= filter.sinceMs) &&
    (filter.untilMs === undefined || timeMs < filter.untilMs) &&
    (filter.reasons === undefined || filter.reasons.includes(reason))
  )
}

const idOf = (record: Json): string => (record as { readonly id: string }).id

function inOrder(decisions: readonly ReportedDecision[], oldestFirst: boolean): readonly string[] {
  const sorted = decisions.toSorted((a, b) => a.timeMs - b.timeMs || (a.id < b.id ? -1 : 1))
  const ids = sorted.map(({ id }) => id)
  return oldestFirst ? ids : ids.toReversed()
}

const groupingSets: readonly (readonly Grouping[])[] = [
  [],
  ['service', 'reason', 'action'],
  ['subject'],
  ['policyVersion', 'hour'],
]

async function filled(sql: Sql, draws: readonly Drawn[]) {
  const decisions = new Decisions(sql, clock)
  const all = draws.map((draw, at) => decisionOf(`edge-1/${at}`, draw))
  await decisions.add(all)
  // At least once: what comes again is there once.
  await new Decisions(sql, clock).add(all.slice(0, 50))
  return { decisions, all }
}

async function findsExactly(open: () => Promise<Sql>, runs: number): Promise<void> {
  const [draws = []] = fc.sample(fc.array(drawn, { minLength: 300, maxLength: 300 }), {
    numRuns: 1,
    seed: 7,
  })
  const { decisions, all } = await filled(await open(), draws)
  const asked = fc.asyncProperty(
    filters,
    fc.boolean(),
    fc.integer({ min: 1, max: 120 }),
    pick(groupingSets),
    async (filter, oldestFirst, limit, by) => {
      const wanted = all.filter((decision) => holds(decision, filter))
      const found: string[] = []
      for (let after; ;) {
        const page = await decisions.list({ ...filter, oldestFirst, limit, after })
        found.push(...page.decisions.map((record) => idOf(record)))
        after = page.next
        if (after === undefined) break
      }
      assert.deepEqual(found, inOrder(wanted, oldestFirst))
      const counted = await decisions.count(filter, by)
      assert.equal(counted.count, wanted.length)
      const requests = wanted.map(({ record }) =>
        record['share'] === 1 || record['head'] === 'unlogged' ? 1 : 100,
      )
      assert.equal(
        counted.requests,
        requests.reduce((sum, one) => sum + one, 0),
      )
      assert.equal(
        counted.groups.reduce((sum, { count }) => sum + count, 0),
        wanted.length,
      )
    },
  )
  await fc.assert(asked, { numRuns: runs })
}

async function countsByNames(open: () => Promise<Sql>): Promise<void> {
  const base = { service: services[0], status: 'verified', action: 'allow', wouldBe: 'allow', share: 0.5 }
  const decisions = new Decisions(await open(), clock)
  const record = (id: string, timeMs: number, more: JsonObject = {}): ReportedDecision => ({
    id,
    timeMs,
    reason: 'ok',
    record: { ...base, ...more },
  })
  await decisions.add([
    record('e/1', nowMs - 9),
    record('e/2', nowMs - 5),
    record('e/3', nowMs - 7, { service: services[1], share: 1 }),
    record('e/4', nowMs - 7, { service: 12, share: 'much' }),
  ])
  const { groups, count, requests, more } = await decisions.count({}, ['service'])
  assert.deepEqual([count, requests, more], [4, 6, false])
  assert.deepEqual(groups[0], {
    by: { service: services[0] },
    count: 2,
    requests: 4,
    firstMs: nowMs - 9,
    lastMs: nowMs - 5,
  })
  assert.deepEqual(new Set(groups.slice(1).map(({ by }) => by.service)), new Set([null, services[1]]))
  const [hour] = (await decisions.count({}, ['hour'])).groups
  assert.equal(hour?.by.hour, nowMs - 3_600_000)
}

async function keepsSuppressed(open: () => Promise<Sql>): Promise<void> {
  const sql = await open()
  let timeMs = nowMs
  const decisions = new Decisions(sql, { now: () => timeMs }, 3_600_000)
  const one = { point: 'edge-1', reason: 'token_absent', count: 7, fromMs: nowMs - 10, toMs: nowMs }
  const span = { sinceMs: nowMs - 100, untilMs: nowMs + 100 }
  await decisions.add([], [{ id: 'a', ...one }])
  await decisions.add(
    [],
    [
      { id: 'a', ...one },
      { id: 'b', ...one, count: 3 },
    ],
  )
  assert.deepEqual(await decisions.suppressed(span), [{ point: 'edge-1', reason: 'token_absent', count: 10 }])
  assert.deepEqual(await decisions.suppressed({ sinceMs: nowMs + 1 }), [])
  timeMs += 3_700_000
  await decisions.add([])
  assert.deepEqual(await decisions.suppressed({}), [])
}

/** What members report may be anything: a sum that no number holds must not end what asks for it. */
async function outlivesLies(open: () => Promise<Sql>): Promise<void> {
  const sql = await open()
  let timeMs = nowMs
  const decisions = new Decisions(sql, { now: () => timeMs }, 3_600_000)
  const lie = { point: 'edge-1', reason: 'ok', count: Number.MAX_SAFE_INTEGER, fromMs: 0, toMs: nowMs }
  const far = 8_000_000_000_000_000
  const key = { id: 'k', timeMs: far, point: 'edge-1', kid: 'c', sealed: 'AA' }
  await decisions.add(
    [],
    Array.from({ length: 1_100 }, (_, at) => ({ id: `lie-${at}`, ...lie })),
    [key],
  )
  assert.deepEqual(await decisions.suppressed({}), [
    { point: 'edge-1', reason: 'ok', count: Number.MAX_SAFE_INTEGER },
  ])
  await sql.transact([
    {
      sql: `INSERT INTO decision_hours (hour, status, reason, action, would_be, service, point, policy, policy_version, rule,
              count, weight, first_ms, last_ms) VALUES (?, ?, 1, 1, 1, 1, 1, 1, 1, 1, ?, ?, ?, ?)`,
      each: [1, 2].map((status) => [Math.floor(nowMs / 3_600_000), status, 1, 2 ** 53 - 1, nowMs, nowMs]),
    },
  ])
  assert.equal((await decisions.count({}, [])).count, 2)
  assert.ok((await decisions.sealKey('k')) !== undefined)
  timeMs += 30 * 3_600_000
  await decisions.add([])
  assert.equal(await decisions.sealKey('k'), undefined)
}

async function forgetsAdjudications(open: () => Promise<Sql>): Promise<void> {
  const sql = await open()
  let timeMs = nowMs
  const own = { now: () => timeMs }
  const decisions = new Decisions(sql, own, 3_600_000)
  const adjudications = new Adjudications({ sql, clock: own, acts: new Acts(sql, own) })
  const decision = { id: 'e/1', timeMs: nowMs, reason: 'ok', record: { action: 'reject' } }
  await decisions.add([decision])
  await adjudications.mark('e/1', { operator: 'ada', verdict: 'confirmed', note: '' })
  timeMs += 120_000
  await decisions.add([])
  assert.equal((await adjudications.of('e/1')).length, 1)
  for (const ms of [3_600_000, 120_000]) {
    timeMs += ms
    await decisions.add([])
  }
  assert.deepEqual(await adjudications.of('e/1'), [])
}

async function adjudicates(open: () => Promise<Sql>): Promise<void> {
  const sql = await open()
  const told: string[] = []
  const acts = new Acts(sql, clock)
  const adjudications = new Adjudications({ sql, clock, acts }, (verdict) => told.push(verdict))
  const record = { action: 'reject', share: 1 }
  const decision = (id: string) => ({ id, timeMs: nowMs - 5, reason: 'token_expired', record })
  await new Decisions(sql, clock).add([
    ...['e/1', 'e/2', 'e/3'].map((id) => decision(id)),
    { ...decision('e/4'), record: { action: 'allow' } },
  ])
  const mark = (id: string, verdict: AdjudicationVerdict, note = '') =>
    adjudications.mark(id, { operator: 'ada', verdict, note })
  await assert.rejects(mark('e/9', 'confirmed'), (error) => isQipError(error, 'QIP_AUTHORITY_NOT_FOUND'))
  await mark('e/1', 'confirmed')
  await mark('e/1', 'false_positive', 'clock of the caller')
  await mark('e/2', 'confirmed')
  await mark('e/4', 'false_positive')
  const history = await adjudications.of('e/1')
  assert.deepEqual(
    history.map(({ verdict, note, operator }) => [verdict, note, operator]),
    [
      ['confirmed', '', 'ada'],
      ['false_positive', 'clock of the caller', 'ada'],
    ],
  )
  assert.deepEqual(await adjudications.last(['e/1', 'e/2', 'e/3']), {
    'e/1': 'false_positive',
    'e/2': 'confirmed',
  })
  // What was let through was not flagged; of what changed, the last word counts.
  const span = { sinceMs: nowMs - 10, untilMs: nowMs }
  assert.deepEqual(await adjudications.falsePositives(span), { falsePositives: 1, confirmed: 1 })
  assert.deepEqual(told, ['confirmed', 'false_positive', 'confirmed', 'false_positive'])
  assert.equal((await acts.list(10)).filter(({ act }) => act === 'adjudicate').length, 4)
  await Promise.all([1, 2, 3, 4].map(() => mark('e/3', 'confirmed')))
  assert.equal((await adjudications.of('e/3')).length, 4)
}

/** What a store of decisions must do on each engine. `open` makes an empty one. */
export function decisionCases(open: () => Promise<Sql>, runs: number): void {
  void test('finds exactly what a filter asks for, page after page, in both orders, and counts the same', () =>
    findsExactly(open, runs))
  void test('counts by what decisions have in common, with names, and the first and the last of each', () =>
    countsByNames(open))
  void test('keeps what was suppressed, once, and lets it go with the decisions of its time', () =>
    keepsSuppressed(open))
  void test('answers whatever members report, and keeps nothing for ever', () => outlivesLies(open))
  void test('lets go what operators said of a decision after the decision', () => forgetsAdjudications(open))
  void test('keeps what operators say of a decision as a history, and counts the last word', () =>
    adjudicates(open))
}
