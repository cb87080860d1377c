import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AuthorityError } from '../authority-errors.ts'

/**
 * A small file beside the store that is written in places and flushed by itself: what it holds must outlive a store that
 * went back. An interface, so that a simulation can tear its writes and lose what was not flushed.
 */
export interface DurableFile {
  /** For errors. */
  readonly name: string
  /** All of it; empty if it was just made. */
  read(): Promise<Uint8Array>
  /** Writes all of `bytes`, or throws; what is there after a throw, or after a crash before {@link sync}, is not known. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Cuts the file behind `size`. Durable, like a write, after {@link sync}. */
  truncate(size: number): Promise<void>
  /** What was written is durable once this resolves. */
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a file for its owner alone, and makes it where there is none.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE` if the system refuses
 */
export async function openDurableFile(file: string): Promise<DurableFile> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  // `a` makes the file and never cuts it; positions count only with `r+`.
  await attempt(file, async () => (await open(file, 'a', 0o600)).close())
  await attempt(file, () => syncFolder(dirname(file)))
  const handle = await attempt(file, () => open(file, 'r+'))
  return {
    name: file,
    read: () =>
      attempt(file, async () => {
        const { size } = await handle.stat()
        const bytes = new Uint8Array(size)
        const { bytesRead } = await handle.read(bytes, 0, size, 0)
        return bytes.subarray(0, bytesRead)
      }),
    write: (bytes, position) =>
      attempt(file, async () => {
        const { bytesWritten } = await handle.write(bytes, 0, bytes.length, position)
        // A full disk takes a part and calls it a success.
        if (bytesWritten !== bytes.length) throw new Error('it was written in part')
      }),
    truncate: (size) => attempt(file, () => handle.truncate(size)),
    sync: () => attempt(file, () => handle.datasync()),
    close: () => handle.close(),
  }
}

/** Makes the names in a folder durable: a new file survives a power cut once its folder does. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function attempt<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    const { code, message } = cause as { code?: string; message?: string }
    const reason = `\`${file}\` cannot be read or written: ${code ?? message ?? 'unknown'}`
    throw new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason }, { cause })
  }
}
