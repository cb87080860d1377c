import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { simulatedClock } from '@quantum-ip/testing'
import { Sampling, type SamplingState } from '../src/state/sampling.ts'
import { openIn } from './support.ts'

async function scene(use: (parts: Awaited<ReturnType<typeof open1>>) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-sampling-'))
  const parts = await open1(folder)
  try {
    await use(parts)
  } finally {
    parts.sampling[Symbol.dispose]()
    await parts.authority.close()
    await rm(folder, { recursive: true })
  }
}

async function open1(folder: string) {
  const authority = await openIn(folder)
  const clock = simulatedClock(1_000_000)
  const told: SamplingState[] = []
  const open = () => Sampling.open({ sql: authority.store.sql, clock }, (state) => told.push(state))
  return { authority, clock, told, open, sampling: await open() }
}

const order = { percent: 40, reason: 'odd builds', untilMs: 0, by: 'alice' }

test('raises as an operator says, until it ends or is lowered, also over a restart', async () => {
  await scene(async ({ sampling, told, clock, open }) => {
    assert.deepEqual([sampling.current.percent, sampling.current.incident, told.length], [0, false, 0])
    await sampling.raise(order)
    assert.deepEqual([told.length, told[0]?.percent, told[0]?.incident, told[0]?.by], [1, 40, true, 'alice'])
    await sampling.look()
    assert.equal(told.length, 1, 'what has not changed is not told again')
    using again = await open()
    assert.equal(again.current.percent, 40)
    await sampling.lower()
    assert.deepEqual([told.at(-1)?.percent, told.at(-1)?.incident], [0, false])
    await sampling.raise({ ...order, untilMs: clock.now() + 1_000 })
    clock.advance(1_000)
    assert.deepEqual((await sampling.look()).percent, 0)
  })
})

test('raises by itself while a critical security event is open, and only then', async () => {
  await scene(async ({ authority, sampling }) => {
    const { events } = authority.watch
    const sighting = {
      kind: 'head_unlogged',
      log: null,
      proof: {},
      reportedBy: 'test',
      action: 'none',
    } as const
    await events.raise({ ...sighting, severity: 'warning', subject: 'a', dedupe: 'a' })
    assert.equal((await sampling.look()).incident, false)
    const { event } = await events.raise({ ...sighting, severity: 'critical', subject: 'b', dedupe: 'b' })
    assert.deepEqual([(await sampling.look()).incident, sampling.current.event], [true, event.number])
    await events.mark(event.number, 'acknowledged', { actor: 'alice', note: '' })
    assert.equal((await sampling.look()).incident, true, 'somebody is on it, and it is not over')
    await events.mark(event.number, 'closed', { actor: 'alice', note: '' })
    assert.equal((await sampling.look()).incident, false)
  })
})
