import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { type DecisionUploadOptions, openDecisionUpload } from '../src/index.ts'
import { TestAuthority } from './support/authority.ts'
import { connect, member } from './support/client.ts'
import { RecordedDomain } from './support/domain.ts'
import { until } from './support/until.ts'

// The authority of these tests is a small HTTP server over a real trust domain in memory.

const domain = await RecordedDomain.open()

async function open(t: { after: (done: () => Promise<void>) => void }, options: DecisionUploadOptions = {}) {
  const authority = new TestAuthority(domain)
  await authority.listen()
  const transport = connect(authority)
  const failures: unknown[] = []
  const upload = openDecisionUpload(member(authority, transport), {
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
  return { authority, upload, batches, failures }
}

const report = (id: number) => ({ id: String(id), timeMs: id, reason: 'token_absent', record: { id } })
const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at)

test('sends records in batches and in order', async (t) => {
  const { upload, batches } = await open(t, { batchMax: 40 })
  for (const id of ids(0, 100)) assert.equal(upload.record(report(id)), true)
  assert.equal(upload.waiting, 100)
  await until('all are sent', () => upload.sent === 100)
  assert.deepEqual(batches(), [ids(0, 40), ids(40, 80), ids(80, 100)])
  assert.deepEqual([upload.waiting, upload.dropped], [0, 0])
  upload.record(report(100))
  await until('the next one is sent', () => upload.sent === 101)
})

test('drops the newest when too many wait, and counts them', async (t) => {
  const { upload, batches } = await open(t, { queueMax: 10 })
  assert.deepEqual(
    ids(0, 13).map((id) => upload.record(report(id))),
    ids(0, 13).map((id) => id < 10),
  )
  assert.equal(upload.dropped, 3)
  await until('the rest is sent', () => upload.sent === 10)
  assert.deepEqual(batches(), [ids(0, 10)])
})

test('sends a batch again that did not arrive', async (t) => {
  const { authority, upload, batches, failures } = await open(t)
  authority.fault('/v1/decisions', authority.problem(503, 'QIP_X', 'away'))
  for (const id of ids(0, 3)) upload.record(report(id))
  await until('it failed', () => failures.length === 1)
  assert.ok(isQipError(failures[0], 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'))
  assert.equal(upload.waiting, 3)
  await until('they are sent', () => upload.sent === 3)
  assert.deepEqual(batches(), [ids(0, 3), ids(0, 3)])
})

test('drops what the authority does not take, and halves what is too large', async (t) => {
  const { authority, upload, batches } = await open(t)
  authority.fault(
    '/v1/decisions',
    authority.problem(413, 'QIP_HTTP_BODY_TOO_LARGE', 'too large'),
    authority.problem(400, 'QIP_HTTP_REQUEST_INVALID', 'no such member'),
  )
  for (const id of ids(0, 8)) upload.record(report(id))
  await until('the rest is sent', () => upload.sent === 4)
  assert.deepEqual(batches(), [ids(0, 8), ids(0, 4), ids(4, 8)])
  assert.equal(upload.dropped, 4)
})

test('sends what waits when it is closed, and takes nothing more', async (t) => {
  const { upload, batches } = await open(t, { intervalMs: 60_000, batchMax: 2 })
  for (const id of ids(0, 5)) upload.record(report(id))
  await upload.close()
  assert.deepEqual(batches(), [ids(0, 2), ids(2, 4), ids(4, 5)])
  assert.equal(upload.record(report(6)), false)
  assert.deepEqual([upload.sent, upload.dropped, upload.waiting], [5, 1, 0])
})

test('is closed in time though nobody answers, and counts what was lost', async (t) => {
  const { authority, upload } = await open(t, { intervalMs: 60_000 })
  authority.fault('/v1/decisions', 'hang')
  upload.record(report(1))
  await upload.close(30)
  assert.deepEqual([upload.sent, upload.dropped], [0, 1])
})
