import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { TrustDomain } from '@quantum-ip/base'
import { AuthorityError } from '../authority-errors.ts'
import { writeBackupFile } from '../backup/backup-file.ts'
import { openBackup } from '../backup/backup-store.ts'
import { readMeta, restoringMark, writeMetaStatement } from './meta.ts'
import { migrate } from './migrate.ts'
import type { PostgresOptions } from './postgres-connection.ts'
import { checkDurability } from './postgres-durability.ts'
import { openPostgres } from './postgres.ts'
import { metaSchema } from './schema.ts'
import type { Sql } from './sql.ts'
import { openSqlite } from './sqlite.ts'
import { removeOldSnapshots } from './sqlite-snapshot.ts'

/** A PostgreSQL database, and what is demanded of it. */
export interface PostgresPlace extends PostgresOptions {
  /** Refuses a server that acknowledges what no standby has. Default false: it is told. */
  readonly requireSynchronous?: boolean
}

/** Told of what an operator must hear of while a store is opened. */
export type StoreListener = (event: string, detail: Readonly<Record<string, string>>) => void

/** The event that says that the server would acknowledge what no standby has. */
export const notSynchronous = 'store_not_synchronous'

/** Where a database is. */
export interface DatabasePlace {
  readonly folder: string
  readonly postgres?: PostgresPlace
}

/**
 * Opens the database of a trust domain with the tables of this program: SQLite in a file of the folder, or PostgreSQL.
 *
 * @throws {AuthorityError} as `openStore`
 */
export async function openDatabase(
  place: DatabasePlace,
  trustDomain: TrustDomain,
  onEvent: StoreListener,
): Promise<Sql> {
  const sql =
    place.postgres === undefined ? await openFile(place.folder) : await openServer(place.postgres, onEvent)
  try {
    // Before anything is written: data of another trust domain stays as it is.
    await checkTrustDomain(sql, trustDomain)
    await bringToVersion(sql, place, trustDomain)
    await sql.transact([writeMetaStatement('trust-domain', trustDomain)])
    return sql
  } catch (error) {
    await sql.close()
    throw error
  }
}

async function openFile(folder: string): Promise<Sql> {
  const file = join(folder, 'authority.db')
  const sql = await openSqlite(file, metaSchema)
  await removeOldSnapshots(file)
  return sql
}

async function openServer(postgres: PostgresPlace, onEvent: StoreListener): Promise<Sql> {
  const sql = await openPostgres(postgres, metaSchema)
  try {
    const lack = await checkDurability(sql, postgres.requireSynchronous ?? false)
    if (lack !== undefined) onEvent(notSynchronous, { reason: lack })
    return sql
  } catch (error) {
    await sql.close()
    throw error
  }
}

async function checkTrustDomain(sql: Sql, wanted: TrustDomain): Promise<void> {
  const restoring = await readMeta(sql, restoringMark)
  if (restoring !== undefined)
    throw new AuthorityError('QIP_AUTHORITY_RESTORE_UNFINISHED', { since: restoring })
  const found = await readMeta(sql, 'trust-domain')
  if (found !== undefined && found !== wanted)
    throw new AuthorityError('QIP_AUTHORITY_DATA_FOREIGN', { found, wanted })
}

const attemptsMax = 5

async function bringToVersion(
  sql: Sql,
  { folder, postgres }: DatabasePlace,
  trustDomain: TrustDomain,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await migrate(sql, {
        nowMs: Date.now(),
        beforeStep: (from) => keepBefore(sql, { folder, trustDomain, from }),
      })
      return
    } catch (error) {
      // Several processes that make the same tables at once: all but one are refused, and find them the next time.
      if (postgres === undefined || attempt === attemptsMax) throw error
      await pause(100 * attempt)
    }
  }
}

/** A backup of data that is about to be changed for good, beside it. One is enough: the step is tried again until it is done. */
async function keepBefore(
  sql: Sql,
  about: { readonly folder: string; readonly trustDomain: TrustDomain; readonly from: number },
): Promise<void> {
  const { folder, trustDomain, from } = about
  const file = join(folder, `before-version-${from + 1}.qipbackup`)
  await writeBackupFile(file, await openBackup({ sql, trustDomain, nowMs: Date.now(), version: from }))
}
