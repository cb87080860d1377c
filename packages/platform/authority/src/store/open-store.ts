import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrustDomain } from '@quantum-ip/base'
import { openFileCustody } from '@quantum-ip/custody'
import { AuthorityError } from '../authority-errors.ts'
import { writeBackupFile } from '../backup/backup-file.ts'
import { openBackup } from '../backup/backup-store.ts'
import { type KeyCustody, keyCustody } from '../custody.ts'
import { type DurableFile, openDurableFile } from './durable-file.ts'
import { lockFolder } from './folder-lock.ts'
import { type HighWater, openHighWater } from './high-water.ts'
import { readMeta, writeMetaStatement } from './meta.ts'
import { migrate } from './migrate.ts'
import { metaSchema } from './schema.ts'
import type { Sql } from './sql.ts'
import { openSqlite } from './sqlite.ts'
import { removeOldSnapshots } from './sqlite-snapshot.ts'

/** All that the authority keeps: the database, the keys, and what is kept outside the database. */
export interface Store {
  readonly folder: string
  readonly sql: Sql
  readonly custody: KeyCustody
  readonly highWater: HighWater
  /** The second copy of the revocations. */
  readonly revocations: DurableFile
  close(): Promise<void>
}

/** Where the parts of a store are. The marks and the keys are not to be in the same backup as the database. */
export interface StorePlaces {
  /** The database and what belongs to it. */
  readonly folder: string
  /** The highest signed position of each log, and the second copy of the revocations. */
  readonly highWaterFolder: string
  /** Private keys, one sealed 0600 file each. */
  readonly custodyFolder: string
  /** Opens custody another way than with files alone and a passphrase that was drawn for them. */
  readonly openCustody?: () => Promise<KeyCustody>
}

/**
 * Opens the store of a trust domain, and makes it where there is none.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_DATA_VERSION` · `QIP_AUTHORITY_DATA_FOREIGN` · `QIP_AUTHORITY_DATA_LOCKED` ·
 *   `QIP_AUTHORITY_MIGRATION_FAILED` · `QIP_AUTHORITY_STORE_UNAVAILABLE` · `QIP_AUTHORITY_FILE_DAMAGED`
 */
export async function openStore(places: StorePlaces, trustDomain: TrustDomain): Promise<Store> {
  const { folder, highWaterFolder } = places
  const opened: (() => unknown)[] = []
  const close = async (): Promise<void> => {
    for (const end of opened.splice(0).toReversed()) await end()
  }
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const file = join(folder, 'authority.db')
    const sql = await openSqlite(file, metaSchema)
    opened.push(() => sql.close())
    await removeOldSnapshots(file)
    // Before anything is written: a directory of another trust domain stays as it is.
    await checkTrustDomain(sql, trustDomain)
    await migrate(sql, {
      nowMs: Date.now(),
      beforeStep: (from) => keepBefore(sql, { folder, trustDomain, from }),
    })
    await sql.transact([writeMetaStatement('trust-domain', trustDomain)])
    const lock = await lockFolder(highWaterFolder)
    opened.push(() => lock.release())
    const custody = await (places.openCustody?.() ?? openLocalCustody(places.custodyFolder))
    opened.push(() => custody.close())
    const highWater = await openHighWater(join(highWaterFolder, 'high-water'))
    opened.push(() => highWater.close())
    const revocations = await openDurableFile(join(highWaterFolder, 'revocations'))
    opened.push(() => revocations.close())
    return { folder, sql, custody, highWater, revocations, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function checkTrustDomain(sql: Sql, wanted: TrustDomain): Promise<void> {
  const found = await readMeta(sql, 'trust-domain')
  if (found !== undefined && found !== wanted)
    throw new AuthorityError('QIP_AUTHORITY_DATA_FOREIGN', { found, wanted })
}

async function openLocalCustody(folder: string): Promise<KeyCustody> {
  return keyCustody({ local: await openFileCustody({ folder }) })
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
