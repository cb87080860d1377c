import { randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as breathe } from 'node:timers/promises'
import type { SqlRow, SqlSnapshot } from './sql.ts'

// Rows that are read without letting anybody else of this thread work. A row of the log may have 40 KB.
const rowsAtOnce = 32

/** Where a copy of the database goes for as long as a snapshot is open: beside it, so on a disk that has the room. */
export function snapshotFileOf(file: string): string {
  return `${file}.snapshot-${randomBytes(6).toString('hex')}`
}

/** Removes the copies that a process left which did not end in good order. */
export async function removeOldSnapshots(file: string): Promise<void> {
  const names = await readdir(dirname(file)).catch(() => [])
  for (const name of names) {
    if (name.startsWith(`${basename(file)}.snapshot-`)) await rm(join(dirname(file), name), { force: true })
  }
}

/** Opens a copy of a database as a snapshot. The copy is removed with it. */
export function openSqliteSnapshot(copy: string): SqlSnapshot {
  const database = new DatabaseSync(copy, { readOnly: true })
  return {
    async *rows(sql) {
      let batch: SqlRow[] = []
      for (const row of database.prepare(sql).iterate()) {
        batch.push(row as SqlRow)
        if (batch.length < rowsAtOnce) continue
        yield batch
        batch = []
        await breathe()
      }
      if (batch.length > 0) yield batch
    },
    async close() {
      database.close()
      await removeSnapshot(copy)
    },
  }
}

/** Removes a copy, and what SQLite puts beside one that it reads. */
export async function removeSnapshot(copy: string): Promise<void> {
  for (const end of ['', '-wal', '-shm']) await rm(`${copy}${end}`, { force: true })
}
