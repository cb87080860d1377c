import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AuthorityError } from '../authority-errors.ts'
import { syncFolder } from '../store/durable-file.ts'
import { lockFolder } from '../store/folder-lock.ts'
import { type HighWaterMark, openHighWater } from '../store/high-water.ts'
import { restoringMark, writeMetaStatement } from '../store/meta.ts'
import { openPostgres } from '../store/postgres.ts'
import type { PostgresOptions } from '../store/postgres-connection.ts'
import { metaSchema } from '../store/schema.ts'
import { openSqlite } from '../store/sqlite.ts'
import { readBackupFile } from './backup-file.ts'
import { type CheckedStore, checkStore } from './check-store.ts'
import { type BackupContents, loadBackup } from './load-backup.ts'
import { type LogFate, planRestore } from './plan-restore.ts'

/** What is restored, and to where. */
export interface RestoreOptions {
  /** The backup file. */
  readonly file: string
  /** The trust domain that it must be of; absent: any. */
  readonly trustDomain?: string
  /** Where the store is to be: an empty folder, or none yet. */
  readonly folder: string
  /** The database to restore into, instead of a file in `folder`. It must exist, and hold nothing. */
  readonly postgres?: PostgresOptions
  /** A rehearsal: everything is done but the last step, and nothing is left. */
  readonly dryRun?: boolean
  /** The folder of the high-water marks, as it is now. */
  readonly highWaterFolder?: string
  readonly onProgress?: (what: string, done: number) => void
}

/** What was restored, and what an authority will make of it. */
export interface Restored extends BackupContents, CheckedStore {
  readonly fates: readonly LogFate[]
  /** Revocations that the second copy has and the backup lacks: the authority takes them back. */
  readonly revocationsBeside: number
  /** Whether there are marks at all. Without, every log closes, and revocations after the backup are forgotten. */
  readonly hasMarks: boolean
}

/**
 * Restores a backup into a store: reads it whole, fills a draft of the database with SQLite, checks the draft as {@link checkStore}
 * says, and only then gives it its name, or fills the PostgreSQL database with the same lines. What fails before that leaves nothing
 * behind; a PostgreSQL database that is half filled is refused by every authority. An authority must not be running.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_STORE_OCCUPIED` · `QIP_AUTHORITY_BACKUP_DAMAGED` · `QIP_AUTHORITY_DATA_FOREIGN` ·
 *   `QIP_AUTHORITY_DATA_VERSION` · `QIP_AUTHORITY_DATA_LOCKED` · `QIP_AUTHORITY_STORE_UNAVAILABLE`
 */
export async function restoreStore(options: RestoreOptions): Promise<Restored> {
  const { folder, dryRun = false } = options
  if (options.postgres === undefined) await refuseOccupied(folder)
  const outside = await readOutside(options.highWaterFolder, dryRun)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const draft = join(folder, 'authority.db.restoring')
  try {
    const restored = await fillDraft(draft, options, outside)
    if (dryRun) return restored
    if (options.postgres !== undefined) {
      await fillPostgres(options.postgres, options)
      return restored
    }
    await rename(draft, join(folder, 'authority.db'))
    await syncFolder(folder)
    return restored
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) await rm(`${draft}${end}`, { force: true })
  }
}

async function fillDraft(draft: string, options: RestoreOptions, outside: Outside): Promise<Restored> {
  const { file, trustDomain, onProgress } = options
  const told = onProgress === undefined ? {} : { onProgress }
  const sql = await openSqlite(draft, [])
  try {
    const contents = await loadBackup(readBackupFile(file), { sql, ...told })
    const { header } = contents
    if (trustDomain !== undefined && header.trustDomain !== trustDomain) {
      throw new AuthorityError('QIP_AUTHORITY_DATA_FOREIGN', {
        found: header.trustDomain,
        wanted: trustDomain,
      })
    }
    const checked = await checkStore(sql, contents, told)
    const fates = await planRestore(sql, header.trustDomain, outside)
    const beside = Math.max(0, outside.revocations - contents.manifest.revocations)
    return { ...contents, ...checked, fates, revocationsBeside: beside, hasMarks: outside.marks.length > 0 }
  } finally {
    await sql.close()
  }
}

async function fillPostgres(postgres: PostgresOptions, { file, onProgress }: RestoreOptions): Promise<void> {
  const sql = await openPostgres(postgres, metaSchema)
  try {
    const [row] = await sql.query('SELECT COUNT(*) AS count FROM meta')
    if (row?.['count'] !== 0) {
      throw new AuthorityError('QIP_AUTHORITY_STORE_OCCUPIED', { place: 'the PostgreSQL database' })
    }
    await sql.transact([writeMetaStatement(restoringMark, new Date().toISOString())])
    await loadBackup(readBackupFile(file), { sql, ...(onProgress !== undefined && { onProgress }) })
    await sql.transact([{ sql: 'DELETE FROM meta WHERE name = ?', params: [restoringMark] }])
  } finally {
    await sql.close()
  }
}

/** Nothing is written over: what is there may be all that is left of something. */
async function refuseOccupied(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  const others = names.filter((name) => !name.startsWith('authority.db.restoring'))
  if (others.length > 0) throw new AuthorityError('QIP_AUTHORITY_STORE_OCCUPIED', { place: `\`${folder}\`` })
}

interface Outside {
  readonly marks: readonly HighWaterMark[]
  readonly revocations: number
}

// The lock says that no authority is running on these marks; a rehearsal does not mind one.
async function readOutside(folder: string | undefined, dryRun: boolean): Promise<Outside> {
  const names = folder === undefined ? [] : await readdir(folder).catch(() => [])
  if (folder === undefined || !names.includes('high-water')) return { marks: [], revocations: 0 }
  const lock = dryRun ? undefined : await lockFolder(folder)
  try {
    const highWater = await openHighWater(join(folder, 'high-water'))
    const marks = highWater.marks()
    await highWater.close()
    const lines = await readFile(join(folder, 'revocations'), 'utf8').catch(() => '')
    return { marks, revocations: lines.split('\n').length - 1 }
  } finally {
    lock?.release()
  }
}
