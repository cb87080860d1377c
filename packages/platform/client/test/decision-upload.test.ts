import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import {
  type DecisionBatch,
  type DecisionReport,
  type DecisionSource,
  type DecisionUploadOptions,
  openDecisionUpload,
} from '../src/index.ts'
import { TestAuthority } from './support/authority.ts'
import { connect, member } from './support/client.ts'
import { RecordedDomain } from './support/domain.ts'
import { until } from './support/until.ts'

// The authority of these tests is a small HTTP server over a real trust domain in memory.

const domain = await RecordedDomain.open()

/** A source in memory: what is not done comes again. */
class Waiting implements DecisionSource {
  readonly reports: DecisionReport[] = []
  taken = 0

  take(countMax: number): Promise<DecisionBatch | undefined> {
    this.taken++
    const reports = this.reports.slice(0, countMax)
    if (reports.length === 0) return Promise.resolve(undefined)
    const done = () => Promise.resolve(void this.reports.splice(0, reports.length))
    return Promise.resolve({ reports, done })
  }
}

async function open(t: { after: (done: () => Promise<void>) => void }, options: DecisionUploadOptions = {}) {
  const authority = new TestAuthority(domain)
  await authority.listen()
  const transport = connect(authority)
  const failures: unknown[] = []
  const source = new Waiting()
  const upload = openDecisionUpload(member(authority, transport), source, {
    intervalMs: 5,
    onFailed: (error) => failures.push(error),
    ...options,
  })
  t.after(async () => {
    await upload.close(10)
    await transport.close()
    await authority.stop()
  })
  const batches = () =>
    authority.received
      .filter(({ path }) => path === '/v1/decisions')
      .map(({ body }) =>
        (JSON.parse(body) as { records: { id: string }[] }).records.map(({ id }) => Number(id)),
      )
  return { authority, upload, source, batches, failures }
}

const report = (id: number) => ({ id: String(id), timeMs: id, reason: 'token_absent', record: { id } })
const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at)
const reports = (from: number, to: number) => ids(from, to).map((id) => report(id))

test('sends records in batches and in order', async (t) => {
  const { upload, source, batches } = await open(t, { batchMax: 40 })
  source.reports.push(...reports(0, 100))
  await until('all are sent', () => upload.sent === 100)
  assert.deepEqual(batches(), [ids(0, 40), ids(40, 80), ids(80, 100)])
  assert.deepEqual([source.reports.length, upload.refused], [0, 0])
  source.reports.push(report(100))
  await until('the next one is sent', () => upload.sent === 101)
})

test('goes on where it was when the authority is there again', async (t) => {
  const { authority, upload, source, batches, failures } = await open(t)
  authority.fault('/v1/decisions', authority.problem(503, 'QIP_X', 'away'))
  source.reports.push(...reports(0, 3))
  await until('it failed', () => failures.length === 1)
  assert.ok(isQipError(failures[0], 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'))
  assert.equal(source.reports.length, 3)
  await until('they are sent', () => upload.sent === 3)
  assert.deepEqual(batches(), [ids(0, 3), ids(0, 3)])
})

test('halves what the authority does not take, until the one that it never takes is alone', async (t) => {
  const { authority, upload, source, batches } = await open(t)
  const refuse = () => authority.problem(400, 'QIP_HTTP_REQUEST_INVALID', 'no such member')
  authority.fault(
    '/v1/decisions',
    authority.problem(413, 'QIP_HTTP_BODY_TOO_LARGE', 'too large'),
    refuse(),
    refuse(),
  )
  source.reports.push(...reports(0, 4))
  await until('the rest is sent', () => upload.sent === 3)
  assert.deepEqual(batches().slice(0, 3), [ids(0, 4), ids(0, 2), ids(0, 1)])
  assert.deepEqual(batches().slice(3).flat(), ids(1, 4))
  assert.equal(upload.refused, 1)
})

test('says how many were not kept beside what was', async (t) => {
  const { authority, upload, source } = await open(t)
  const suppressed = { id: 's', point: 'edge-1', reason: 'token_absent', count: 7, fromMs: 1, toMs: 2 }
  ;(source.reports as unknown[]).push(report(1), suppressed)
  await until('both are sent', () => upload.sent === 2)
  const body = JSON.parse(
    authority.received.find(({ path }) => path === '/v1/decisions')?.body ?? '',
  ) as unknown
  assert.deepEqual(body, { records: [report(1)], suppressed: [suppressed] })
})

test('sends what waits when it is closed', async (t) => {
  const { upload, source, batches } = await open(t, { intervalMs: 60_000, batchMax: 2 })
  source.reports.push(...reports(0, 5))
  await upload.close()
  assert.deepEqual(batches(), [ids(0, 2), ids(2, 4), ids(4, 5)])
  assert.equal(upload.sent, 5)
})

test('is closed in time though nobody answers, and leaves the rest where it is', async (t) => {
  const { authority, upload, source } = await open(t, { intervalMs: 60_000 })
  authority.fault('/v1/decisions', 'hang')
  source.reports.push(report(1))
  await upload.close(30)
  assert.deepEqual([upload.sent, source.reports.length], [0, 1])
})
