// decision_log: records a second through the log of a gateway onto its disk. decision_ingest, decision_query: what an authority
// takes, and how long questions to a day of records take, in SQLite and in PostgreSQL.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JsonObject, parseJson, systemClock, systemRandom } from '@quantum-ip/base'
import { DecisionLog, formatRecord, LocalLog, type LogRecord } from '@quantum-ip/telemetry'
import type { ReportedDecision } from '../../packages/platform/authority/src/decisions/decision-row.ts'
import { Decisions } from '../../packages/platform/authority/src/decisions/decisions.ts'
import { metaSchema } from '../../packages/platform/authority/src/store/schema.ts'
import { openPostgres } from '../../packages/platform/authority/src/store/postgres.ts'
import { openSqlite } from '../../packages/platform/authority/src/store/sqlite.ts'
import { wholeSchema } from '../../packages/platform/authority/src/store/migrations.ts'
import type { Sql } from '../../packages/platform/authority/src/store/sql.ts'
import { inputOf } from '../../packages/platform/telemetry/test/samples.ts'
import { openPostgresServer, postgresSkip } from '../../scripts/real-postgres.ts'
import { round, type Row, type Rows } from '../lib/measure.ts'

const dayMs = 24 * 3_600_000
const batch = 1_000

/** Records a second from the decision to the disk. */
export async function decisionLog(): Promise<Rows> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-bench-log-'))
  try {
    const log = await LocalLog.open({
      folder,
      point: 'edge-1',
      clock: systemClock,
      random: systemRandom,
      sizeMax: 2 ** 31,
      segmentBytesMax: 8 * 1_048_576,
      segmentMs: 3_600_000,
      limits: { sizeMax: 2 ** 31, keepMs: dayMs },
    })
    const base = { point: 'edge-1', clock: systemClock, random: systemRandom, sampleRatio: 1 }
    const decisions = new DecisionLog({ ...base, sink: log, perReasonMax: 2 ** 31 })
    const inputs = (['token_absent', 'token_expired', 'ok', 'attestation_invalid'] as const).map((reason) =>
      inputOf(reason),
    )
    let made = 0
    const started = performance.now()
    while (performance.now() - started < 3_000) {
      for (let n = 0; n < 1_000; n++) decisions.record(inputs[made++ % inputs.length] as (typeof inputs)[0])
      await log.flush()
    }
    const perSecond = (log.status().written / (performance.now() - started)) * 1_000
    const { lost, bytes } = log.status()
    await log.close()
    const detail = { lost, bytes_per_record: Math.round(bytes / made) }
    const bar = '20,000 records/s'
    return {
      decision_log: {
        value: Math.round(perSecond),
        unit: 'records/s',
        bar,
        reached: perSecond >= 20_000,
        detail,
      },
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** How fast an authority takes `count` records of one day, and how long questions to them take. */
export async function decisionStore(count: number, tell: (text: string) => void): Promise<Rows> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-bench-decisions-'))
  try {
    const sqlite = await openSqlite(join(folder, 'authority.db'), [...metaSchema, ...wholeSchema()])
    const rows = rowsOf('sqlite', await measured(sqlite, count, tell), count)
    await sqlite.close()
    if (postgresSkip !== false) return rows
    await using server = await openPostgresServer({
      settings: ['shared_buffers = 512MB', 'max_wal_size = 4GB'],
    })
    const postgres = await openPostgres({ url: server.url }, wholeSchema())
    const more = rowsOf('postgres', await measured(postgres, count, tell), count)
    await postgres.close()
    return { ...rows, ...more }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Measured {
  readonly perSecond: number
  readonly questions: Readonly<Record<string, number>>
}

function rowsOf(engine: string, { perSecond, questions }: Measured, count: number): Rows {
  const slowest = Math.max(...Object.values(questions))
  const ingest: Row = { value: Math.round(perSecond), unit: 'records/s', detail: { records: count } }
  const query: Row = {
    value: round(slowest),
    unit: 'ms for the slowest question',
    bar: '1,000 ms for a day of a million',
    reached: slowest <= 1_000,
    detail: { records: count, ...questions },
  }
  return { [`decision_ingest_${engine}`]: ingest, [`decision_query_${engine}`]: query }
}

async function measured(sql: Sql, count: number, tell: (text: string) => void): Promise<Measured> {
  const nowMs = Date.now()
  const decisions = new Decisions(sql, systemClock)
  const make = recordMaker({ count, fromMs: nowMs - dayMs })
  let takenMs = 0
  for (let at = 0; at < count; at += batch) {
    const records = Array.from({ length: Math.min(batch, count - at) }, (_, nth) => make(at + nth))
    const started = performance.now()
    await decisions.add(records)
    takenMs += performance.now() - started
    if (at % 100_000 === 0) tell(`${at} records`)
  }
  // PostgreSQL plans by statistics; left alone it gathers them within a minute.
  await sql.transact([{ sql: 'ANALYZE' }])
  const day = { sinceMs: nowMs - dayMs, untilMs: nowMs }
  const work: Readonly<Record<string, () => Promise<unknown>>> = {
    newest_page: () => decisions.list({ ...day, limit: 100 }),
    rare_reason: () => decisions.list({ ...day, reasons: ['attestation_invalid'], limit: 100 }),
    service_rejected: () => decisions.list({ ...day, service: service(3), action: 'reject', limit: 100 }),
    build: () => decisions.list({ ...day, build: digest(7), limit: 100 }),
    token: () => decisions.list({ log: tokenLog, index: 12_345, limit: 100 }),
    trace: () => decisions.list({ trace: trace(4_242), limit: 100 }),
    rule_of_nobody: () => decisions.list({ ...day, rule: 'no-such-rule', limit: 100 }),
    count_all: () => decisions.count(day, ['service', 'reason', 'action']),
    count_of_build: () => decisions.count({ ...day, build: digest(7) }, ['service', 'subject']),
  }
  const questions: Record<string, number> = {}
  for (const [name, ask] of Object.entries(work)) {
    const times: number[] = []
    for (let n = 0; n < 3; n++) {
      const started = performance.now()
      await ask()
      times.push(performance.now() - started)
    }
    questions[name] = round(times.sort((a, b) => a - b)[1] ?? 0)
  }
  return { perSecond: (count / takenMs) * 1_000, questions }
}

const tokenLog = 'acme.example/tokens/3'
const service = (nth: number): string => `spiffe://acme.example/ns/prod/sa/service-${nth}`
const digest = (nth: number): string => nth.toString(16).padStart(64, '0')
const trace = (nth: number): string => nth.toString(16).padStart(32, '0')

/** Records as a gateway writes them, spread over a day, forty services and two hundred builds. */
function recordMaker({
  count,
  fromMs,
}: {
  readonly count: number
  readonly fromMs: number
}): (nth: number) => ReportedDecision {
  const written: LogRecord[] = []
  const log = new DecisionLog({
    point: 'edge-1',
    clock: systemClock,
    random: systemRandom,
    sink: { write: (record) => void written.push(record) },
    sampleRatio: 1,
  })
  for (const reason of ['ok', 'token_absent', 'token_expired', 'attestation_invalid'] as const)
    log.record(inputOf(reason))
  const records = written.map((record) => parseJson(formatRecord(record)) as JsonObject)
  return (nth) => {
    // One in five is refused, and one in 50,000 for something that hardly ever happens.
    const place = nth % 50_000 === 7 ? 3 : nth % 10 === 0 ? 1 : nth % 10 === 1 ? 2 : 0
    const record = {
      ...records[place],
      id: `edge-1-${nth.toString(32).padStart(26, '0')}`,
      timeMs: fromMs + Math.floor((nth / count) * dayMs),
      service: service(nth % 40),
      traceId: trace(nth),
      build: { digest: digest(nth % 200), evidence: 'measured' },
      token: { log: tokenLog, index: nth, digest: digest(nth) },
    }
    const reason = (['ok', 'token_absent', 'token_expired', 'attestation_invalid'] as const)[place] ?? 'ok'
    return { id: record.id, timeMs: record.timeMs, reason, record }
  }
}
