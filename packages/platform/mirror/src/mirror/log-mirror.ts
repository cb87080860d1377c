import { type CodedError, equalBytes, isQipError } from '@quantum-ip/base'
import { fetchCheckpoint, fetchEntries, fetchTile, type Requester } from '@quantum-ip/client'
import type { NoteVerifierKey } from '@quantum-ip/crypto'
import {
  bundlePath,
  type Checkpoint,
  emptyRoot,
  formatEntryBundle,
  type Log,
  type LogStorage,
  openLog,
  parseNote,
  sliceEntryBundle,
  tilePath,
  tileWidth,
  tileWidthMax,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from '@quantum-ip/log'
import { filesBetween, type LogFile } from '../lib/log-files.ts'
import { logFolder } from '../lib/log-folder.ts'
import { MirrorError } from '../mirror-errors.ts'
import { publishTiles } from '../publish/publish-tiles.ts'
import type { ForkReports } from '../report/fork-reports.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** What one log is mirrored with. */
export interface LogMirrorOptions {
  readonly origin: string
  /** Its keys at this moment, by the signed bundle. */
  readonly logKeys: () => readonly NoteVerifierKey[]
  /** Where it is read. */
  readonly requester: Requester
  readonly store: ObjectStore
  readonly reports: ForkReports
  readonly now: () => number
  readonly progress?: (origin: string, done: number, total: number) => void
}

/** A tree that is held whole, with the note that says so. */
export interface HeldLog {
  readonly note: string
  readonly checkpoint: Checkpoint
  /** Reads what is held: everything checked against the checkpoint. */
  readonly log: Log
}

/** Where bytes of a log come from: `undefined` where they are not. */
type ReadFile = (file: LogFile) => Promise<Uint8Array | undefined>

/**
 * A copy of one log as static tiles. What is fetched is checked up to the signed root before it is written, the checkpoint is
 * written last, and one that does not extend what is held is refused and kept as evidence.
 */
export class LogMirror {
  readonly #options: LogMirrorOptions
  #held: HeldLog | undefined
  #fork: MirrorError<'QIP_MIRROR_FORK'> | undefined

  constructor(options: LogMirrorOptions) {
    this.#options = options
  }

  get origin(): string {
    return this.#options.origin
  }

  get held(): HeldLog | undefined {
    return this.#held
  }

  /**
   * Reads what is held, and checks every file of it; what is damaged or missing is fetched again. Returns how many that were.
   *
   * @throws {MirrorError} `QIP_MIRROR_STORE_UNAVAILABLE` · {@link ClientError} where something has to be fetched and cannot be
   */
  async check(): Promise<number> {
    const note = await this.#readHeld()
    if (note === undefined) return 0
    const checkpoint = await this.#verify(note)
    const repaired = await this.#repair(checkpoint)
    await this.#hold(note, checkpoint)
    return repaired
  }

  /**
   * Fetches what is new. Returns whether anything was.
   *
   * @throws {MirrorError} `QIP_MIRROR_FORK`, from then on for ever · `QIP_MIRROR_TILE_FORGED` · `QIP_MIRROR_STORE_UNAVAILABLE`
   * @throws {LogError} as `verifyCheckpoint` · {@link ClientError}
   */
  async sync(): Promise<boolean> {
    if (this.#fork !== undefined) throw this.#fork
    const { requester, origin } = this.#options
    const note = Buffer.from(await fetchCheckpoint(requester, origin)).toString('utf8')
    const held = this.#held
    if (held?.note === note) return false
    const checkpoint = await this.#verify(note)
    // Older ones come from whoever lags, or replays.
    if (held !== undefined && checkpoint.size < held.checkpoint.size) return false
    if (held?.checkpoint.size === checkpoint.size && !equalBytes(held.checkpoint.root, checkpoint.root))
      throw await this.#forked(held, { note, checkpoint })
    if (checkpoint.size > 0) await this.#fetch({ note, checkpoint })
    await this.#hold(note, checkpoint)
    return true
  }

  async #fetch(next: Omit<HeldLog, 'log'>): Promise<void> {
    // First with what an earlier attempt left here; if any of that is damaged, all of it from there.
    try {
      await this.#publish(next, (file) => this.#readLocalFirst(file))
    } catch (error) {
      if (!isDamage(error)) throw error
      try {
        await this.#publish(next, (file) => this.#readRemote(file))
      } catch (again) {
        if (!isDamage(again)) throw again
        const details = { origin: this.origin, what: again.message }
        throw new MirrorError('QIP_MIRROR_TILE_FORGED', details, { cause: again })
      }
    }
  }

  async #publish({ note, checkpoint }: Omit<HeldLog, 'log'>, read: ReadFile): Promise<void> {
    const { store, progress, origin } = this.#options
    const source = await openLog({ storage: readOnly(checkpoint, read), origin })
    try {
      await publishTiles({
        source,
        note,
        store,
        resume: true,
        progress: (done, total) => progress?.(origin, done, total),
      })
    } catch (error) {
      const held = this.#held
      if (held === undefined || !isQipError(error, 'QIP_MIRROR_PUBLISHED_OTHERWISE')) throw error
      throw await this.#forked(held, { note, checkpoint })
    }
  }

  async #forked(held: HeldLog, offered: Omit<HeldLog, 'log'>): Promise<MirrorError<'QIP_MIRROR_FORK'>> {
    const { reports, now, origin } = this.#options
    // Here it was computed from the log's own tiles: no proof of anybody's is needed.
    await reports.keep({ origin, proven: true, timeMs: now(), held: held.note, offered: offered.note })
    this.#fork = new MirrorError('QIP_MIRROR_FORK', {
      origin,
      held: held.checkpoint.size,
      offered: offered.checkpoint.size,
      proven: true,
    })
    return this.#fork
  }

  /** Compares every file with what hashes to the root, and writes those anew that differ. */
  async #repair(checkpoint: Checkpoint): Promise<number> {
    const { store, origin } = this.#options
    const local = await this.#openOr(checkpoint, (file) => this.#readLocal(file))
    let remote: Log | undefined
    let repaired = 0
    for (const file of filesBetween(0, checkpoint.size)) {
      const path = `${logFolder(origin)}/${pathOf(file)}`
      const there = await store.read(path)
      const good = local && (await goodBytes(local, file))
      if (good !== undefined && there !== undefined && equalBytes(there, good)) continue
      remote ??= await openLog({ storage: readOnly(checkpoint, (each) => this.#readRemote(each)), origin })
      await store.write(path, good ?? (await bytesOf(remote, file)))
      repaired++
    }
    return repaired
  }

  async #openOr(checkpoint: Checkpoint, read: ReadFile): Promise<Log | undefined> {
    try {
      return await openLog({ storage: readOnly(checkpoint, read), origin: this.origin })
    } catch (error) {
      if (isDamage(error)) return undefined
      throw error
    }
  }

  async #hold(note: string, checkpoint: Checkpoint): Promise<void> {
    const storage = readOnly(checkpoint, (file) => this.#readLocal(file))
    this.#held = {
      note,
      checkpoint,
      log: await openLog({ storage, origin: this.origin, cachedTilesMax: 64 }),
    }
  }

  #verify(note: string): Promise<VerifiedCheckpoint> {
    const { origin, logKeys } = this.#options
    return verifyCheckpoint({ note, origin, logKeys: logKeys() })
  }

  async #readHeld(): Promise<string | undefined> {
    const bytes = await this.#options.store.read(`${logFolder(this.origin)}/checkpoint`)
    if (bytes === undefined) return undefined
    const note = Buffer.from(bytes).toString('utf8')
    try {
      parseNote(note)
      return note
    } catch (error) {
      // Damaged: as good as none. The tiles are still there, and count once the newest checkpoint has vouched for them.
      if (isQipError(error)) return undefined
      throw error
    }
  }

  // Full files never change: what an attempt before left here is good, or is found damaged.
  async #readLocalFirst(file: LogFile): Promise<Uint8Array> {
    return (file.width === tileWidthMax ? await this.#readLocal(file) : undefined) ?? this.#readRemote(file)
  }

  #readLocal(file: LogFile): Promise<Uint8Array | undefined> {
    return this.#options.store.read(`${logFolder(this.origin)}/${pathOf(file)}`)
  }

  #readRemote(file: LogFile): Promise<Uint8Array> {
    const { requester, origin } = this.#options
    return file.kind === 'tile' ? fetchTile(requester, origin, file) : fetchEntries(requester, origin, file)
  }
}

function pathOf(file: LogFile): string {
  return file.kind === 'tile' ? tilePath(file) : bundlePath(file)
}

async function bytesOf(log: Log, file: LogFile): Promise<Uint8Array> {
  if (file.kind === 'tile') return log.tile(file.level, file.index, file.width)
  const start = file.index * tileWidthMax
  return formatEntryBundle(await log.entries(start, start + file.width))
}

async function goodBytes(log: Log, file: LogFile): Promise<Uint8Array | undefined> {
  try {
    return await bytesOf(log, file)
  } catch (error) {
    if (isDamage(error)) return undefined
    throw error
  }
}

const damageCodes = new Set(['QIP_LOG_CORRUPT', 'QIP_LOG_MISSING', 'QIP_LOG_BUNDLE_MALFORMED'])

/** Whether a file of a log is not what its checkpoint says, or not there. */
export function isDamage(error: unknown): error is CodedError {
  return isQipError(error) && damageCodes.has(error.code)
}

/** A log of a given head, read from files: what the reader of `@quantum-ip/log` asks of a storage, which checks all of it. */
function readOnly({ size, root }: Checkpoint, read: ReadFile): LogStorage {
  return {
    head: () => Promise.resolve({ size, root: size === 0 ? emptyRoot() : root }),
    commit: () => Promise.resolve('conflict'),
    async readTile(level, index) {
      const width = tileWidth(size, level, index)
      return width === 0 ? undefined : read({ kind: 'tile', level, index, width })
    },
    async readEntries(start, end) {
      const parts: Uint8Array[] = []
      for (let index = Math.floor(start / tileWidthMax); index * tileWidthMax < end; index++) {
        const first = index * tileWidthMax
        const width = tileWidth(size, 0, index)
        const bytes = (await read({ kind: 'entries', index, width })) ?? new Uint8Array()
        parts.push(sliceEntryBundle(bytes, Math.max(start - first, 0), Math.min(end - first, width)))
      }
      return Buffer.concat(parts)
    },
  }
}
