import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrustDomain } from '@quantum-ip/base'
import { AuthorityError } from '../authority-errors.ts'
import { type KeyCustody, openFileCustody } from '../custody.ts'
import { type DurableFile, openDurableFile } from './durable-file.ts'
import { lockFolder } from './folder-lock.ts'
import { type HighWater, openHighWater } from './high-water.ts'
import { dataVersion, metaSchema, schema } from './schema.ts'
import type { Sql } from './sql.ts'
import { openSqlite } from './sqlite.ts'

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
  /** Private keys, one 0600 file each. */
  readonly custodyFolder: string
}

/**
 * Opens the store of a trust domain, and makes it where there is none.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_DATA_VERSION` · `QIP_AUTHORITY_DATA_FOREIGN` · `QIP_AUTHORITY_DATA_LOCKED` ·
 *   `QIP_AUTHORITY_STORE_UNAVAILABLE` · `QIP_AUTHORITY_FILE_DAMAGED`
 */
export async function openStore(places: StorePlaces, trustDomain: TrustDomain): Promise<Store> {
  const { folder, highWaterFolder } = places
  const opened: (() => unknown)[] = []
  const close = async (): Promise<void> => {
    for (const end of opened.splice(0).toReversed()) await end()
  }
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const sql = await openSqlite(join(folder, 'authority.db'), metaSchema)
    opened.push(() => sql.close())
    // Before anything is written: a directory of another version stays as it is.
    await checkMeta(sql, { name: 'data-version', wanted: dataVersion, code: 'QIP_AUTHORITY_DATA_VERSION' })
    await checkMeta(sql, { name: 'trust-domain', wanted: trustDomain, code: 'QIP_AUTHORITY_DATA_FOREIGN' })
    await sql.transact([
      ...schema.map((statement) => ({ sql: statement })),
      writeMetaStatement('data-version', dataVersion),
      writeMetaStatement('trust-domain', trustDomain),
    ])
    const lock = await lockFolder(highWaterFolder)
    opened.push(() => lock.release())
    const custody = await openFileCustody(places.custodyFolder)
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

interface MetaCheck {
  readonly name: string
  readonly wanted: string
  readonly code: 'QIP_AUTHORITY_DATA_VERSION' | 'QIP_AUTHORITY_DATA_FOREIGN'
}

async function checkMeta(sql: Sql, { name, wanted, code }: MetaCheck): Promise<void> {
  const found = await readMeta(sql, name)
  if (found !== undefined && found !== wanted) throw new AuthorityError(code, { found, wanted })
}

/** A single value that is kept under a name. */
export async function readMeta(sql: Sql, name: string): Promise<string | undefined> {
  const [row] = await sql.query('SELECT value FROM meta WHERE name = ?', [name])
  return row?.['value'] as string | undefined
}

/** Writes a single value under a name. */
export function writeMetaStatement(name: string, value: string): { sql: string; params: readonly string[] } {
  return {
    sql: 'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    params: [name, value],
  }
}
