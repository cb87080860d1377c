import { equalBytes, isQipError, utf8 } from '@quantum-ip/base'
import {
  bundlePath,
  type Checkpoint,
  emptyRoot,
  formatEntryBundle,
  type Log,
  parseCheckpoint,
  parseNote,
  tilePath,
  tileWidthMax,
} from '@quantum-ip/log'
import { filesBetween, type LogFile, partialFiles } from '../lib/log-files.ts'
import { inParallel } from '../lib/in-parallel.ts'
import { logFolder } from '../lib/log-folder.ts'
import { MirrorError } from '../mirror-errors.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** A log as far as it is published: everything comes from it checked. */
export type TileSource = Pick<Log, 'origin' | 'tile' | 'entries' | 'subtreeHash'>

/** One publication of one log. */
export interface Publication {
  readonly source: TileSource
  /** The signed checkpoint that readers shall find; the source has at least this tree. */
  readonly note: string
  readonly store: ObjectStore
  /** The size of the publication before the last one: its partial tiles are taken out, nobody reads them any more. */
  readonly outdated?: number
  /** Compare with what is there already before writing: after a publication that was cut off. */
  readonly resume?: boolean
  readonly progress?: (done: number, total: number) => void
}

/** What a publication did. */
export interface Published {
  /** Before. */
  readonly from: number
  readonly to: number
  /** Files written, the checkpoint included. */
  readonly written: number
}

const writesAtOnce = 8

/**
 * Publishes a log as static files of c2sp.org/tlog-tiles: every tile and bundle that the checkpoint's tree needs, and only when all
 * of them are there the checkpoint. So a reader never sees a checkpoint whose tiles are not there, wherever the writer is cut off.
 *
 * What was published before is never changed: full tiles are immutable, partial ones have a name for each width. The partial tiles
 * of the checkpoint before stay, for who reads it at this moment.
 *
 * @throws {MirrorError} `QIP_MIRROR_STORE_UNAVAILABLE` · `QIP_MIRROR_PUBLISHED_OTHERWISE`
 * @throws {LogError} as the source's reads
 */
export async function publishTiles(publication: Publication): Promise<Published> {
  const { source, note, store, progress, resume = false } = publication
  const next = parseCheckpoint(parseNote(note).text)
  const folder = logFolder(next.origin)
  const held = await readPublished(store, folder)
  const from = held?.checkpoint.size ?? 0
  if (held !== undefined && from > next.size) return { from, to: from, written: 0 }
  if (held !== undefined) await checkExtends(publication, held.checkpoint, next)
  if (held?.note === note) return { from, to: next.size, written: 0 }
  const files = filesBetween(from, next.size)
  let [done, written] = [0, 0]
  await inParallel(files, writesAtOnce, async (file) => {
    const bytes = await readFile(source, file)
    const path = `${folder}/${pathOf(file)}`
    const isThere = resume && equalBytes((await store.read(path)) ?? new Uint8Array(), bytes)
    if (!isThere) {
      await store.write(path, bytes)
      written++
    }
    progress?.(++done, files.length)
  })
  // INVARIANT: last, and only when every write above is durable.
  await store.write(`${folder}/checkpoint`, utf8(note), 'checkpoint')
  await removeOutdated(publication, folder, { from, to: next.size })
  return { from, to: next.size, written: written + 1 }
}

interface Held {
  readonly note: string
  readonly checkpoint: Checkpoint
}

/** What readers see now; a checkpoint that cannot be read is as good as none, and is written again. */
async function readPublished(store: ObjectStore, folder: string): Promise<Held | undefined> {
  const bytes = await store.read(`${folder}/checkpoint`)
  if (bytes === undefined) return undefined
  try {
    const note = Buffer.from(bytes).toString('utf8')
    return { note, checkpoint: parseCheckpoint(parseNote(note).text) }
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  }
}

async function checkExtends(
  { source, store }: Publication,
  held: Checkpoint,
  next: Checkpoint,
): Promise<void> {
  const otherwise = (reason: string) =>
    new MirrorError('QIP_MIRROR_PUBLISHED_OTHERWISE', { origin: next.origin, store: store.name, reason })
  if (held.origin !== next.origin) throw otherwise('its checkpoint names another origin')
  const own = held.size === 0 ? emptyRoot() : await source.subtreeHash({ start: 0, end: held.size })
  if (!equalBytes(own, held.root)) throw otherwise(`the trees of ${held.size} entries differ`)
}

async function readFile(source: TileSource, file: LogFile): Promise<Uint8Array> {
  if (file.kind === 'tile') return source.tile(file.level, file.index, file.width)
  const start = file.index * tileWidthMax
  return formatEntryBundle(await source.entries(start, start + file.width))
}

function pathOf(file: LogFile): string {
  return file.kind === 'tile' ? tilePath(file) : bundlePath(file)
}

async function removeOutdated(
  { store, outdated }: Publication,
  folder: string,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<void> {
  if (outdated === undefined || outdated >= from) return
  const kept = new Set([...partialFiles(from), ...partialFiles(to)].map(pathOf))
  const gone = partialFiles(outdated)
    .map(pathOf)
    .filter((path) => !kept.has(path))
  await inParallel(gone, writesAtOnce, (path) => store.remove(`${folder}/${path}`))
}
