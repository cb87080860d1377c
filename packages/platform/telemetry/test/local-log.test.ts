import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { systemClock, systemRandom } from '@quantum-ip/base'
import { DecisionLog, LocalLog, type LocalLogOptions, type LogRecord, readLocalLog } from '../src/index.ts'
import { createLogFile } from '../src/local-log/log-files.ts'
import { inputOf } from './samples.ts'

const folders: string[] = []
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-local-log-'))
  folders.push(folder)
  return folder
}

const MiB = 1_048_576
const optionsIn = (folder: string, more: Partial<LocalLogOptions> = {}): LocalLogOptions => ({
  folder,
  point: 'edge-1',
  clock: systemClock,
  random: systemRandom,
  sizeMax: 64 * MiB,
  segmentBytesMax: MiB,
  segmentMs: 3_600_000,
  limits: { sizeMax: 16 * MiB, keepMs: 3_600_000 },
  writeEveryMs: 5,
  ...more,
})

function decisionsTo(log: LocalLog, perReasonMax = 1e9): DecisionLog {
  const base = { point: 'edge-1', clock: systemClock, random: systemRandom, sampleRatio: 0 }
  return new DecisionLog({ ...base, sink: log, perReasonMax, windowMs: 1e9 })
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0
  for (const file of await readdir(folder)) bytes += (await stat(join(folder, file))).size
  return bytes
}

async function recordsIn(folder: string): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = []
  for await (const record of readLocalLog({ folder })) records.push(record)
  return records
}

/** Records there are, and records that are said not to be there, by reason. */
function countsOf(records: readonly LogRecord[]): Record<string, { kept: number; counted: number }> {
  const counts: Record<string, { kept: number; counted: number }> = {}
  for (const record of records) {
    if (record.kind === 'seal_key') continue
    const of = (counts[record.reason] ??= { kept: 0, counted: 0 })
    if (record.kind === 'decision') of.kept++
    else of.counted += record.count
  }
  return counts
}

test('a flood of one reason stays below its cap on the disk, and every decision is kept or counted', async () => {
  const folder = await newFolder()
  const limits = { sizeMax: MiB, keepMs: 3_600_000 }
  const log = await LocalLog.open(optionsIn(folder, { limits, sizeMax: 3 * MiB }))
  const decisions = decisionsTo(log, 18_000)
  const rare = decisions.record(inputOf('attestation_invalid'))
  // What a load balancer that strips the token does to a gateway, faster than any disk should have to take it.
  for (let round = 0; round < 200; round++) {
    for (let n = 0; n < 100; n++) decisions.record(inputOf('token_absent'))
    await log.flush()
    assert.ok((await bytesIn(folder)) <= 2 * MiB + 1_000, 'the reason, what is counted and one rare record')
  }
  decisions.flush()
  await log.close()
  const records = await recordsIn(folder)
  const { token_absent: flood, attestation_invalid: other } = countsOf(records)
  assert.ok((flood?.kept ?? 0) > 100 && (flood?.counted ?? 0) > 2_000)
  assert.equal((flood?.kept ?? 0) + (flood?.counted ?? 0), 20_000)
  assert.ok(records.some((record) => record.id === rare))
  assert.deepEqual(other, { kept: 1, counted: 0 })
})

test('no reason alone, nor all of them together, hold more than they may', async () => {
  const folder = await newFolder()
  const limits = { sizeMax: 400_000, keepMs: 3_600_000 }
  const perReason = new Map([['token_expired', { sizeMax: 60_000, keepMs: 3_600_000 }]])
  const log = await LocalLog.open(optionsIn(folder, { limits, perReason, sizeMax: 700_000 }))
  const decisions = decisionsTo(log)
  for (let round = 0; round < 60; round++) {
    for (const reason of ['token_absent', 'token_malformed', 'token_expired'] as const)
      for (let n = 0; n < 20; n++) decisions.record(inputOf(reason))
    await log.flush()
    assert.ok(log.status().bytes <= 700_000 && (await bytesIn(folder)) <= 700_000)
  }
  await log.close()
  const counts = countsOf(await recordsIn(folder))
  for (const reason of ['token_absent', 'token_malformed', 'token_expired'])
    assert.equal((counts[reason]?.kept ?? 0) + (counts[reason]?.counted ?? 0), 1_200, reason)
  assert.ok((counts['token_expired']?.kept ?? 0) < 60_000 / 500)
})

test('a killed process leaves whole lines but for the last, and the next one goes on behind them', async () => {
  const folder = await newFolder()
  const script = new URL('support/write-until-killed.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  let told = 0
  for await (const chunk of child.stdout) {
    told = Number(String(chunk).trim().split('\n').at(-1))
    if (told >= 2_000) break
  }
  child.kill('SIGKILL')
  await once(child, 'exit')
  // A line that was cut off, whether or not this kill left one.
  await writeFile(join(folder, 'token_absent.1-1.0.jsonl'), '{"kind":"decision","id":"edge-1-01', {
    flag: 'wx',
  })
  const torn: string[] = []
  let found = 0
  for await (const record of readLocalLog({ folder, onTorn: (file) => torn.push(file) }))
    if (record.kind === 'decision') found++
  assert.ok(found >= told, `${found} of at least ${told}`)
  assert.ok(torn.length >= 1 && torn.length <= 2)
  const log = await LocalLog.open(optionsIn(folder))
  let sent = 0
  for (let batch; (batch = await log.take(1_000)) !== undefined; await batch.done())
    sent += batch.records.length
  assert.equal(sent, found)
  assert.equal(log.status().torn, torn.length)
  await log.close()
})

test('what was sent is not sent again after a restart, and what was not is', async () => {
  const folder = await newFolder()
  const first = await LocalLog.open(optionsIn(folder))
  const decisions = decisionsTo(first)
  const ids = Array.from({ length: 300 }, (_, at) =>
    decisions.record(inputOf((['token_absent', 'token_expired'] as const)[at % 2]!)),
  )
  await first.flush()
  const batch = await first.take(100)
  await batch?.done()
  const lost = await first.take(50)
  assert.equal(lost?.records.length, 50)
  await first.close()
  // Of four threads, one is left: it looks after all segments.
  const next = await LocalLog.open(optionsIn(folder))
  const again: string[] = []
  for (let more; (more = await next.take(70)) !== undefined; await more.done())
    again.push(...more.records.map(({ id }) => id))
  assert.equal(again.length, 200)
  assert.deepEqual(new Set([...(batch?.records ?? []).map(({ id }) => id), ...again]), new Set(ids))
  assert.equal(next.status().waiting, 0)
  await next.close()
})

test('records that are too old go, and are counted', async () => {
  const folder = await newFolder()
  let nowMs = Date.now()
  const clock = { now: () => nowMs }
  const limits = { sizeMax: MiB, keepMs: 60_000 }
  const log = await LocalLog.open(optionsIn(folder, { clock, limits, segmentMs: 10_000 }))
  const decisions = new DecisionLog({ point: 'edge-1', clock, random: systemRandom, sink: log })
  for (let n = 0; n < 10; n++) decisions.record(inputOf('token_absent'))
  await log.flush()
  nowMs += 11_000
  await log.flush()
  nowMs += 60_000
  await log.flush()
  assert.equal(log.status().evicted, 10)
  const [record] = await recordsIn(folder)
  assert.ok(record?.kind === 'suppressed' && record.cause === 'age' && record.count === 10)
  await log.close()
})

test('a disk that is full, as a fake one says, costs records and nothing else, and they are counted when it is there again', async () => {
  const folder = await newFolder()
  let isFull = false
  let told = 0
  const log = await LocalLog.open(
    optionsIn(folder, {
      onLost: (count) => (told += count),
      async createFile(path) {
        if (isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
        const file = await createLogFile(path)
        return {
          ...file,
          async append(bytes) {
            if (!isFull) return file.append(bytes)
            // A part of it still fitted.
            await file.append(bytes.subarray(0, 100))
            throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
          },
        }
      },
    }),
  )
  const decisions = decisionsTo(log)
  const record = (count: number) => {
    for (let n = 0; n < count; n++) assert.ok(decisions.record(inputOf('token_absent')))
    return log.flush()
  }
  await record(5)
  isFull = true
  await record(7)
  await record(2)
  assert.deepEqual([log.status().lost, told], [9, 9])
  isFull = false
  await record(3)
  await log.flush()
  await log.close()
  assert.deepEqual(countsOf(await recordsIn(folder)), { token_absent: { kept: 8, counted: 9 } })
})

test('more than the queue takes is lost and counted, and nobody waits', async () => {
  const folder = await newFolder()
  const log = await LocalLog.open(optionsIn(folder, { queueBytesMax: 20_000, writeEveryMs: 60_000 }))
  const decisions = decisionsTo(log)
  for (let n = 0; n < 100; n++) decisions.record(inputOf('token_absent'))
  assert.ok(log.status().lost > 0)
  await log.close()
  const { token_absent: counts } = countsOf(await recordsIn(folder))
  assert.equal((counts?.kept ?? 0) + (counts?.counted ?? 0), 100)
})

test('several writers share a folder, and records of all are read in the order of their times', async () => {
  const folder = await newFolder()
  const logs = await Promise.all(
    [0, 1, 2].map((writer) => LocalLog.open(optionsIn(folder, { writer, writers: 3 }))),
  )
  for (let n = 0; n < 30; n++) {
    decisionsTo(logs[n % 3]!).record(inputOf('token_absent'))
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await Promise.all(logs.map((log) => log.close()))
  const times = (await recordsIn(folder)).map((record) => (record.kind === 'decision' ? record.timeMs : 0))
  assert.equal(times.length, 30)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
})
