import { isQipError, utf8 } from '@quantum-ip/base'
import { type Checkpoint, parseCheckpoint, parseNote } from '@quantum-ip/log'
import { MirrorError } from '../mirror-errors.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { originHash } from './origin-hash.ts'

/** What a witness has seen of a log. */
export interface WitnessedLog extends Checkpoint {
  /** The signed note; empty where nothing was seen yet. */
  readonly note: string
}

/** Remembers the last checkpoint of each log, one file for each: replaced as a whole, flushed before {@link write} resolves. */
export class WitnessStore {
  readonly #store: ObjectStore

  /** @param store a local directory: what is written there must survive a power cut */
  constructor(store: ObjectStore) {
    this.#store = store
  }

  /** @throws {MirrorError} `QIP_MIRROR_FILE_MALFORMED`: a damaged file must never look like a log that was not seen yet */
  read(origin: string): Promise<WitnessedLog | undefined> {
    return this.readByHash(originHash(origin), origin)
  }

  async readByHash(hash: string, origin?: string): Promise<WitnessedLog | undefined> {
    const path = pathOf(hash)
    const bytes = await this.#store.read(path)
    if (bytes === undefined) return undefined
    try {
      const note = Buffer.from(bytes).toString('utf8')
      const { extensions: _, ...checkpoint } = parseCheckpoint(parseNote(note).text)
      if (origin === undefined || checkpoint.origin === origin) return { ...checkpoint, note }
    } catch (error) {
      if (!isQipError(error)) throw error
    }
    const details = {
      file: `${this.#store.name}/${path}`,
      reason: 'it is no checkpoint of the log that it is named after',
    }
    throw new MirrorError('QIP_MIRROR_FILE_MALFORMED', details)
  }

  async write({ origin, note }: WitnessedLog): Promise<void> {
    await this.#store.write(pathOf(originHash(origin)), utf8(note), 'checkpoint')
  }
}

function pathOf(hash: string): string {
  return `logs/${hash}/checkpoint`
}
