import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { wholeSchema } from '../store/migrations.ts'
import { openSqlite } from '../store/sqlite.ts'
import { KeyUses } from './key-uses.ts'
import { SecurityEvents } from './security-events.ts'

test('raises one event an hour when the keys of a use sign far more often than they did', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-key-uses-'))
  const sql = await openSqlite(join(folder, 'test.db'), wholeSchema())
  const clock = { now: () => nowMs }
  let nowMs = 1_800_000_000_000
  const events = new SecurityEvents(sql, clock)
  const uses = new KeyUses({ sql, clock, events, rule: { factor: 10, floor: 50 } })
  uses.knowUses(() => 'qip-token')
  const minute = async (count: number) => {
    for (let nth = 0; nth < count; nth++) uses.used(nth % 2 === 0 ? 'key-a' : 'key-b', 'sign')
    nowMs += 60_000
    await uses.settle()
  }
  try {
    for (let nth = 0; nth < 30; nth++) await minute(10)
    assert.deepEqual(await events.list({ limit: 10 }), [])
    await minute(101)
    await minute(400)
    const [event, ...others] = await events.list({ limit: 10 })
    assert.deepEqual(others, [])
    assert.equal(event?.kind, 'key_rate_changed')
    assert.equal(event?.subject, 'qip-token')
    assert.equal(event?.reports, 2)
    const { count, usual, most, keys } = event.proof
    assert.deepEqual(
      [count, usual, most, { ...(keys as object) }],
      [101, 10, 100, { 'key-a': 51, 'key-b': 50 }],
    )
  } finally {
    await sql.close()
    await rm(folder, { recursive: true })
  }
})
