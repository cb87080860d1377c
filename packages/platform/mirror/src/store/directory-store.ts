import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MirrorError } from '../mirror-errors.ts'
import type { ObjectStore } from './object-store.ts'

/** How a directory is written. */
export interface DirectoryOptions {
  /** Permission bits of files; folders get the execute bits that go with them. Default 0644: tiles are public. */
  readonly mode?: number
}

/** A directory as {@link ObjectStore}: each write is a file of its own beside the old one, flushed, renamed, the folder flushed. */
export function directoryStore(directory: string, { mode = 0o644 }: DirectoryOptions = {}): ObjectStore {
  const folders = new Set<string>()
  const place = (path: string) => join(directory, path)
  return {
    name: directory,
    read: (path) => attempt(place(path), () => readWhole(place(path))),
    async write(path, bytes) {
      const file = place(path)
      await attempt(file, () => prepareFolder(dirname(file), { folders, mode }))
      await attempt(file, () => replaceFile(file, bytes, mode))
    },
    remove: (path) => attempt(place(path), () => rm(place(path), { force: true })),
  }
}

async function readWhole(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

interface Folders {
  /** Those that are known to be there, and durably. */
  readonly folders: Set<string>
  readonly mode: number
}

// A new folder survives a power cut once the one above it was flushed.
async function prepareFolder(folder: string, known: Folders): Promise<void> {
  if (known.folders.has(folder)) return
  const first = await mkdir(folder, { recursive: true, mode: known.mode | ((known.mode & 0o444) >> 2) })
  if (first !== undefined) {
    for (let at = folder; at.length >= first.length; at = dirname(at)) await flushFolder(dirname(at))
  }
  known.folders.add(folder)
}

/** Writes a file beside `file`, flushes it, and renames it over. */
async function replaceFile(file: string, bytes: Uint8Array, mode: number): Promise<void> {
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}.draft`
  try {
    await writeFlushed(draft, bytes, mode)
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  await flushFolder(dirname(file))
}

async function writeFlushed(file: string, bytes: Uint8Array, mode: number): Promise<void> {
  const handle = await open(file, 'wx', mode)
  try {
    await handle.writeFile(bytes)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}

async function flushFolder(folder: string): Promise<void> {
  // Windows cannot open a folder; there a rename is as durable as it gets.
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function attempt<Value>(file: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work()
  } catch (cause) {
    const { code, message } = cause as { code?: string; message?: string }
    const details = { store: file, reason: code ?? message ?? 'unknown' }
    throw new MirrorError('QIP_MIRROR_STORE_UNAVAILABLE', details, { cause })
  }
}
