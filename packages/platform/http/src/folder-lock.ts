import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const sqliteBusy = 5

/** A folder that no other process uses. */
export interface FolderLock {
  release(): void
}

/**
 * Takes a folder for this process alone, as long as it lives, and makes it where there is none. An empty SQLite database is the lock: the
 * system lets go of it with the process, however that ends.
 *
 * @returns `undefined` if another process has it
 * @throws the system's error if the folder cannot be used
 */
export async function takeFolder(folder: string): Promise<FolderLock | undefined> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const database = new DatabaseSync(join(folder, 'lock'))
  try {
    database.exec('BEGIN EXCLUSIVE')
    return { release: () => database.close() }
  } catch (error) {
    database.close()
    const { errcode = 0 } = error as { errcode?: number }
    if (errcode % 256 === sqliteBusy) return undefined
    throw error
  }
}
