import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CustodyError } from '../custody-errors.ts'

/** Why the system refused, for people. */
function reasonOf(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string }
  return code ?? message ?? 'unknown'
}

/** Runs work on a file, and names the file where the system refuses. @throws {CustodyError} `QIP_CUSTODY_FILE_UNAVAILABLE` */
export async function attempt<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof CustodyError) throw cause
    throw new CustodyError('QIP_CUSTODY_FILE_UNAVAILABLE', { file, reason: reasonOf(cause) }, { cause })
  }
}

/** Makes a folder for its owner alone. */
export async function makeFolder(folder: string): Promise<void> {
  await attempt(folder, () => mkdir(folder, { recursive: true, mode: 0o700 }))
}

const bytesMax = 65_536

/** The text of a small file; `undefined` where there is none. */
export function readIfThere(file: string): Promise<string | undefined> {
  return attempt(file, async () => {
    try {
      const bytes = await readFile(file)
      if (bytes.length > bytesMax) {
        throw new CustodyError('QIP_CUSTODY_FILE_DAMAGED', {
          file,
          reason: `it has more than ${bytesMax} bytes`,
        })
      }
      // One character for each byte: every byte counts, also one that is no UTF-8.
      return bytes.toString('latin1')
    } catch (cause) {
      if ((cause as { code?: string }).code === 'ENOENT') return undefined
      throw cause
    }
  })
}

/** Writes a secret so that after a crash the file is there whole or not at all, for its owner alone. */
export async function replaceFile(file: string, text: string): Promise<void> {
  await attempt(file, async () => {
    await writeDraft(`${file}.draft`, text)
    await rename(`${file}.draft`, file)
    await syncFolder(dirname(file))
  })
}

/** {@link replaceFile} that never writes over what is there. Returns whether it was written. */
export function createFile(file: string, text: string): Promise<boolean> {
  // Others may be making the same file: each has a draft of its own.
  const draft = `${file}.${randomUUID()}.draft`
  return attempt(file, async () => {
    await writeDraft(draft, text)
    try {
      await link(draft, file)
    } catch (cause) {
      if ((cause as { code?: string }).code === 'EEXIST') return false
      throw cause
    } finally {
      await rm(draft, { force: true })
    }
    await syncFolder(dirname(file))
    return true
  })
}

/** Removes a file durably. */
export async function removeFile(file: string): Promise<void> {
  await attempt(file, async () => {
    await rm(file, { force: true })
    await syncFolder(dirname(file))
  })
}

async function writeDraft(draft: string, text: string): Promise<void> {
  const handle = await open(draft, 'w', 0o600)
  try {
    await handle.writeFile(text, 'latin1')
    await handle.sync()
  } finally {
    await handle.close()
  }
}

// A new name survives a power cut once its folder does.
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
