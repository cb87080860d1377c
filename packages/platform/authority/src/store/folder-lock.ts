import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AuthorityError } from '../authority-errors.ts'

const sqliteBusy = 5

/** A folder that no other process uses. */
export interface FolderLock {
  release(): void
}

/**
 * Takes a folder for this process alone, as long as it lives. An empty SQLite database is the lock: the system lets go of it with
 * the process, however that ends, and it works wherever the store does.
 *
 * The high-water marks need a lock beside that of the store: with a copy of the store in another folder, a second process would
 * otherwise sign with the same keys.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_DATA_LOCKED` · `QIP_AUTHORITY_STORE_UNAVAILABLE`
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(join(folder, 'lock'))
    database.exec('BEGIN EXCLUSIVE')
    const held = database
    return { release: () => held.close() }
  } catch (cause) {
    database?.close()
    const { errcode = 0, message } = cause as { errcode?: number; message: string }
    if (errcode % 256 === sqliteBusy)
      throw new AuthorityError('QIP_AUTHORITY_DATA_LOCKED', { folder }, { cause })
    throw new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason: message }, { cause })
  }
}
