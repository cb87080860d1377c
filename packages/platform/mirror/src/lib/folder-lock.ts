import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MirrorError } from '../mirror-errors.ts'

const sqliteBusy = 5

/** A folder that no other process uses. */
export interface FolderLock {
  release(): void
}

/**
 * Takes a folder for this process alone, as long as it lives: the system lets go of an SQLite lock with the process, however that ends.
 * Two witnesses with one key and one folder would each compare with what they had read before.
 *
 * @throws {MirrorError} `QIP_MIRROR_FOLDER_LOCKED` · `QIP_MIRROR_STORE_UNAVAILABLE`
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  let database: DatabaseSync | undefined
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    database = new DatabaseSync(join(folder, 'lock'))
    database.exec('BEGIN EXCLUSIVE')
    const held = database
    return { release: () => held.close() }
  } catch (cause) {
    database?.close()
    const { errcode = 0, message } = cause as { errcode?: number; message: string }
    if (errcode % 256 === sqliteBusy) throw new MirrorError('QIP_MIRROR_FOLDER_LOCKED', { folder }, { cause })
    throw new MirrorError('QIP_MIRROR_STORE_UNAVAILABLE', { store: folder, reason: message }, { cause })
  }
}
