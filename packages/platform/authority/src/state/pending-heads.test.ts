import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { HeadRecord } from '@quantum-ip/trust'
import { wholeSchema } from '../store/migrations.ts'
import type { Sql } from '../store/sql.ts'
import { openSqlite } from '../store/sqlite.ts'
import { addIssuedHeads } from './issued-heads.ts'
import { PendingHeads } from './pending-heads.ts'

const origin = 'acme.example/tokens/7'
const headOf = (start: number, end: number): HeadRecord => ({
  origin,
  start,
  end,
  hash: new Uint8Array(32).fill(end % 256),
  exp: 1_800_000_000,
})
const batchOf = (...ends: readonly (readonly [number, number])[]) => {
  const heads = ends.map(([start, end]) => ({ head: headOf(start, end), staple: `${start}-${end}` }))
  return { heads, tree: { size: ends.at(-1)?.[1] ?? 0, hash: new Uint8Array(32).fill(9) } }
}
const shown = (pending: PendingHeads) => pending.next().map(({ head, tree }) => [head.end, tree?.size])

async function withStore(work: (sql: Sql) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-heads-'))
  const sql = await openSqlite(join(folder, 'test.db'), wholeSchema())
  try {
    await work(sql)
  } finally {
    await sql.close()
    await rm(folder, { recursive: true })
  }
}

test('heads that were numbered and not listed say after a restart how far their log goes', () =>
  withStore(async (sql) => {
    const before = await PendingHeads.open(sql, 0)
    await before.add(batchOf([1, 2]))
    await addIssuedHeads(sql, batchOf([2, 4], [4, 5]))
    await before.adopt(() => Promise.resolve())
    const expected = [
      [2, 2],
      [4, undefined],
      [5, 5],
    ]
    assert.deepEqual(shown(before), expected)
    assert.deepEqual(shown(await PendingHeads.open(sql, 0)), expected)
    assert.deepEqual(shown(await PendingHeads.open(sql, 1)), expected.slice(1))
  }))

test('a batch whose end does not fit is taken in whole, the next time', () =>
  withStore(async (sql) => {
    const first = batchOf(...Array.from({ length: 2_047 }, (_, n) => [n, n + 1] as const))
    await addIssuedHeads(sql, first)
    await addIssuedHeads(sql, batchOf([2_047, 2_050], [2_050, 2_051]))
    const pending = await PendingHeads.open(sql, 0)
    await pending.adopt(() => Promise.resolve())
    assert.deepEqual(shown(pending).at(-1), [2_047, 2_047])
    pending.remove(2_047)
    await pending.adopt(() => Promise.resolve())
    assert.deepEqual(shown(pending), [
      [2_050, undefined],
      [2_051, 2_051],
    ])
  }))
