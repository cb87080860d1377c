import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Clock, isQipError } from '@quantum-ip/base'
import { trustLimits, type TrustStore } from '@quantum-ip/trust'
import { ClientError } from '../client-errors.ts'

/**
 * Loads a snapshot into a store that holds nothing yet, checked like documents from the network. Returns whether there was one.
 *
 * What the file holds before something that is refused stays applied: it was verified like the rest.
 *
 * @throws {ClientError} `QIP_CLIENT_SNAPSHOT_REFUSED`
 */
export async function loadSnapshotFile(file: string, store: TrustStore, clock: Clock): Promise<boolean> {
  const bytes = await readSnapshot(file)
  if (bytes === undefined) return false
  try {
    await store.loadSnapshot(bytes, clock.now())
    return true
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw new ClientError('QIP_CLIENT_SNAPSHOT_REFUSED', { file, reason: cause.message }, { cause })
  }
}

async function readSnapshot(file: string): Promise<Uint8Array | undefined> {
  try {
    const { size } = await stat(file)
    if (size > trustLimits.snapshotBytesMax) {
      throw new ClientError('QIP_CLIENT_SNAPSHOT_REFUSED', { file, reason: 'it is too large' })
    }
    return await readFile(file)
  } catch (error) {
    if (error instanceof ClientError) throw error
    const code = systemCode(error)
    if (code === 'ENOENT') return undefined
    throw new ClientError('QIP_CLIENT_SNAPSHOT_REFUSED', { file, reason: `it cannot be read (${code})` })
  }
}

/**
 * Puts `bytes` where `file` is, whole or not at all, also if the power fails: written beside it, flushed, renamed, and the
 * folder flushed.
 *
 * @throws {ClientError} `QIP_CLIENT_SNAPSHOT_UNWRITABLE`
 */
export async function writeSnapshotFile(file: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(file)
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  try {
    await mkdir(folder, { recursive: true })
    try {
      await writeFlushed(temporary, bytes)
      await rename(temporary, file)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    await flushFolder(folder)
  } catch (error) {
    throw new ClientError('QIP_CLIENT_SNAPSHOT_UNWRITABLE', { file, reason: systemCode(error) })
  }
}

async function writeFlushed(file: string, bytes: Uint8Array): Promise<void> {
  await using handle = await open(file, 'wx', 0o600)
  await handle.writeFile(bytes)
  await handle.sync()
}

async function flushFolder(folder: string): Promise<void> {
  // Windows cannot open a folder; there a rename is as durable as it gets.
  if (process.platform === 'win32') return
  await using handle = await open(folder, 'r')
  await handle.sync()
}

function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
}
