import { test } from 'node:test'
import assert from 'node:assert/strict'
import { head } from '../../test/acme.ts'
import { HeadJournal } from './head-journal.ts'

const state = (n: number) => ({ payload: Uint8Array.of(n), payloadType: '', signatures: [] })
const minute = 60_000
const at = (n: number, exp: number) => head(n, n + 1, { exp })

test('keeps the heads since the very beginning without a base', () => {
  const journal = new HeadJournal(10)
  journal.restart(undefined, 0)
  journal.append([at(0, 5)], state(1), 1)
  assert.deepEqual(journal.excerpt(), { base: undefined, heads: [at(0, 5)] })
})

test('moves to a later base when all heads before it have expired', () => {
  const journal = new HeadJournal(10)
  journal.restart(state(0), 0)
  journal.append([at(0, 5)], state(1), 1)
  journal.append([at(1, 8), at(2, 4)], state(2), minute)
  journal.append([at(3, 90)], state(3), minute + 1)
  journal.prune(8)
  assert.deepEqual(journal.excerpt().base, state(0))
  journal.prune(9)
  assert.deepEqual(journal.excerpt(), { base: state(2), heads: [at(3, 90)] })
  journal.append([at(4, 50)], state(4), 2 * minute)
  journal.append([at(5, 99)], state(5), 3 * minute)
  journal.prune(91)
  assert.deepEqual(journal.excerpt(), { base: state(4), heads: [at(5, 99)] })
  journal.prune(100)
  assert.deepEqual(journal.excerpt(), { base: state(5), heads: [] })
})

test('above its limit, drops what precedes a later base, and if there is none begins anew', () => {
  const journal = new HeadJournal(2)
  journal.restart(state(0), 0)
  journal.append([at(0, 99)], state(1), minute)
  journal.append([at(1, 99), at(2, 99)], state(2), minute + 1)
  journal.prune(0)
  assert.deepEqual(journal.excerpt(), { base: state(1), heads: [at(1, 99), at(2, 99)] })
  journal.append([at(3, 99)], state(3), minute + 2)
  assert.deepEqual(journal.excerpt(), { base: state(3), heads: [] })
})

test('cannot be written to before it has begun', () => {
  assert.throws(() => new HeadJournal(1).append([], state(0), 0), TypeError)
})
