import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { AuthorityError } from '../authority-errors.ts'
import { readMeta } from '../store/meta.ts'
import { dataVersion } from '../store/migrations.ts'
import { metaSchema } from '../store/schema.ts'
import type { Sql, SqlSnapshot } from '../store/sql.ts'
import { openSqlite } from '../store/sqlite.ts'
import type { BackupHeader } from './backup-format.ts'
import { dumpStore } from './dump-store.ts'
import { programVersion } from './program-version.ts'

/** What a backup is made of. */
export interface BackupSource {
  readonly sql: Sql
  readonly trustDomain: string
  readonly nowMs: number
  /** The version of the data. Default: the newest, which an open store has. */
  readonly version?: number
}

/**
 * The lines of a backup of a store that is in use: all of it as it was at one instant, which is before this resolves. The copy that it
 * is read from goes with the lines: read them to the end, or `return()` the generator.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`
 */
export async function openBackup(source: BackupSource): Promise<AsyncGenerator<string>> {
  const { sql, trustDomain, nowMs, version = dataVersion } = source
  const snapshot = await sql.snapshot()
  const header = { trustDomain, dataVersion: version, program: programVersion, madeMs: nowMs }
  const lines = readAll(snapshot, header)
  // Into its `try`: a generator that was never begun would leave the copy behind when it is returned.
  await lines.next()
  return lines
}

async function* readAll(snapshot: SqlSnapshot, header: BackupHeader): AsyncGenerator<string> {
  try {
    yield ''
    yield* dumpStore(snapshot, { header })
  } finally {
    await snapshot.close()
  }
}

/**
 * The lines of a backup of a store that nobody has open: an authority that is stopped, or cannot start. Its data may be of an older version.
 *
 * @param folder the data directory
 * @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` · `QIP_AUTHORITY_DATA_LOCKED` · `QIP_AUTHORITY_DATA_VERSION` ·
 *   `QIP_AUTHORITY_FILE_DAMAGED`
 */
export async function* backupOfFolder(folder: string, nowMs: number): AsyncGenerator<string> {
  const file = join(folder, 'authority.db')
  await access(file).catch(() => {
    throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `database in \`${folder}\`` })
  })
  const sql = await openSqlite(file, metaSchema)
  try {
    const trustDomain = await readMeta(sql, 'trust-domain')
    const version = Number(await readMeta(sql, 'data-version'))
    if (trustDomain === undefined || !(version >= 1 && version <= dataVersion)) {
      throw new AuthorityError('QIP_AUTHORITY_DATA_VERSION', { found: version, wanted: dataVersion })
    }
    yield* await openBackup({ sql, trustDomain, nowMs, version })
  } finally {
    await sql.close()
  }
}
