import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrustDomain } from '@quantum-ip/base'
import { openFileCustody } from '@quantum-ip/custody'
import { type KeyCustody, keyCustody } from '../custody.ts'
import { type DurableFile, openDurableFile } from './durable-file.ts'
import { lockFolder } from './folder-lock.ts'
import { type HighWater, openHighWater } from './high-water.ts'
import { notSynchronous, openDatabase, type PostgresPlace, type StoreListener } from './open-database.ts'
import type { Sql } from './sql.ts'

/** All that the authority keeps: the database, the keys, and what is kept outside the database. */
export interface Store {
  readonly folder: string
  /** Whether what the database acknowledges is known to outlive its server. */
  readonly isSynchronous: boolean
  readonly sql: Sql
  readonly custody: KeyCustody
  readonly highWater: HighWater
  /** The second copy of the revocations. */
  readonly revocations: DurableFile
  close(): Promise<void>
}

/** Where the parts of a store are. The marks and the keys are not to be in the same backup as the database. */
export interface StorePlaces {
  /** The database and what belongs to it; with PostgreSQL, only what belongs to it. */
  readonly folder: string
  /** A PostgreSQL database instead of one in `folder`. */
  readonly postgres?: PostgresPlace
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
 *   `QIP_AUTHORITY_MIGRATION_FAILED` · `QIP_AUTHORITY_STORE_UNAVAILABLE` · `QIP_AUTHORITY_FILE_DAMAGED` ·
 *   `QIP_AUTHORITY_STORE_NOT_SYNCHRONOUS`
 */
export async function openStore(
  places: StorePlaces,
  trustDomain: TrustDomain,
  onEvent: StoreListener = () => undefined,
): Promise<Store> {
  const { folder, highWaterFolder } = places
  const opened: (() => unknown)[] = []
  const close = async (): Promise<void> => {
    for (const end of opened.splice(0).toReversed()) await end()
  }
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    let isSynchronous = true
    const sql = await openDatabase(places, trustDomain, (event, detail) => {
      if (event === notSynchronous) isSynchronous = false
      onEvent(event, detail)
    })
    opened.push(() => sql.close())
    const lock = await lockFolder(highWaterFolder)
    opened.push(() => lock.release())
    const custody = await (places.openCustody?.() ?? openLocalCustody(places.custodyFolder))
    opened.push(() => custody.close())
    const highWater = await openHighWater(join(highWaterFolder, 'high-water'))
    opened.push(() => highWater.close())
    const revocations = await openDurableFile(join(highWaterFolder, 'revocations'))
    opened.push(() => revocations.close())
    return { folder, isSynchronous, sql, custody, highWater, revocations, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openLocalCustody(folder: string): Promise<KeyCustody> {
  return keyCustody({ local: await openFileCustody({ folder }) })
}
