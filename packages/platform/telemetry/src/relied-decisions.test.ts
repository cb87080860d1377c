import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HeadState } from '@quantum-ip/verifier'
import { countingRandom, inputOf, nowMs } from '../test/samples.ts'
import { verdictOf } from '../test/samples.ts'
import { DecisionLog, type LogRecord } from './index.ts'

function open(more: { readonly reliedMax?: number; readonly sampleRatio?: number } = {}) {
  const written: LogRecord[] = []
  const counted = { unlogged: 0 }
  const log = new DecisionLog({
    point: 'edge-1',
    clock: { now: () => nowMs },
    random: countingRandom(),
    sink: { write: (record) => void written.push(record) },
    observer: {
      suppressed: () => undefined,
      lost: () => undefined,
      failedOpen: () => undefined,
      unlogged: () => void counted.unlogged++,
    },
    sampleRatio: 0,
    perReasonMax: 1,
    ...more,
  })
  const rely = (head: { state: HeadState }) => {
    const notes = { ...verdictOf('ok').notes, provisionalHead: true, reliedOn: head }
    const input = inputOf('ok', { verdict: { notes } })
    return log.record({ ...input, decision: { ...input.decision, action: 'allow', wouldBe: 'allow' } })
  }
  return { log, rely, written, counted }
}

test('writes every decision on a head that is in no log, marked, whatever is sampled and capped', () => {
  const { log, rely, written, counted } = open()
  const head: { state: HeadState } = { state: 'pending' }
  for (let nth = 0; nth < 5; nth++) assert.equal(rely(head), null)
  log.flush()
  assert.equal(written.length, 0)
  head.state = 'refused'
  log.flush()
  assert.deepEqual(
    written.map((record) => record.kind === 'decision' && record.head),
    Array.from({ length: 5 }, () => 'unlogged'),
  )
  assert.equal(counted.unlogged, 5)
  assert.equal(log.unlogged().length, 5)
  log.flush()
  assert.equal(written.length, 5, 'once')
})

test('forgets decisions on a head that was listed', () => {
  const { log, rely, written } = open()
  const head: { state: HeadState } = { state: 'pending' }
  rely(head)
  head.state = 'anchored'
  log.flush()
  assert.deepEqual(written, [])
  assert.deepEqual(log.unlogged(), [])
})

test('gives way with those of listed heads first when its memory is full', () => {
  const { log, rely, written } = open({ reliedMax: 4 })
  const stolen: { state: HeadState } = { state: 'pending' }
  const good: { state: HeadState } = { state: 'anchored' }
  rely(stolen)
  for (let nth = 0; nth < 20; nth++) rely(good)
  stolen.state = 'refused'
  log.flush()
  assert.equal(written.length, 1)
})
