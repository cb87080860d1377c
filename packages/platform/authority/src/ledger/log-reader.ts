import { type Clock, limits } from '@quantum-ip/base'
import { noteKeyTypes } from '@quantum-ip/crypto'
import { type Log, type LogHead, openLog, signCheckpoint } from '@quantum-ip/log'
import { AuthorityError } from '../authority-errors.ts'
import type { TokenLog } from '../issuance/token-log.ts'
import type { HeldKey, KeyRing } from '../keys/key-ring.ts'
import type { Store } from '../store/open-store.ts'
import { sqlLogStorage } from '../store/sql-log-storage.ts'
import type { KeyState } from '@quantum-ip/trust'
import type { Cosign } from './cosign.ts'
import type { Registry } from './registry.ts'

/** What logs are read from. */
export interface LogReaderSource {
  readonly store: Store
  readonly keys: KeyRing
  readonly clock: Clock
  readonly registry: Registry
  /** The token log that is written now. */
  readonly issuing: () => TokenLog
  readonly cosign: Cosign | undefined
}

/** A log of the trust domain, and whether anything can still be added to it. */
export interface KnownLog {
  readonly origin: string
  readonly isClosed: boolean
}

interface ShownNote {
  readonly size: number
  readonly note: string
  readonly timeMs: number
}

const openLogsMax = 64
/** A log that grows all the time is not cosigned more often. */
const cosignEveryMs = 1_000

/** Reads logs: the open ones as they are written, others from the store. */
export class LogReader {
  readonly #source: LogReaderSource
  readonly #closed = new Map<string, Promise<Log>>()
  readonly #notes = new Map<string, ShownNote>()
  readonly #signing = new Map<string, Promise<string>>()

  constructor(source: LogReaderSource) {
    this.#source = source
  }

  /** Every log that was begun here and whose key was not compromised. */
  list(): readonly KnownLog[] {
    const { keys, store, registry, issuing } = this.#source
    const states = new Map<string, KeyState[]>()
    // A log may have had several keys, one after the other.
    for (const { record } of keys.list()) {
      if (record.log === undefined || store.highWater.mark(record.log) === undefined) continue
      states.set(record.log, [...(states.get(record.log) ?? []), record.state])
    }
    const isOpen = (origin: string) => origin === registry.origin || origin === issuing().origin
    return [...states].flatMap(([origin, of]) => {
      const isBegun = of.some((state) => state === 'active' || state === 'retiring' || state === 'retired')
      const isClosed = !isOpen(origin) && !of.some((state) => state === 'active' || state === 'retiring')
      return isBegun ? [{ origin, isClosed }] : []
    })
  }

  /**
   * The newest checkpoint that may be shown; with witnesses, the newest that they cosigned.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND`
   * @throws {MirrorError} `QIP_MIRROR_QUORUM_MISSING` where none was cosigned yet
   */
  async checkpoint(origin: string): Promise<string> {
    const { registry, clock, cosign } = this.#source
    if (origin === registry.origin) return (await registry.ledger.checkpoint()).note
    const log = await this.log(origin)
    const tree = this.#shownTree(log)
    const known = this.#notes.get(origin)
    if (known?.size === tree.size) return known.note
    if (cosign !== undefined && known !== undefined && clock.now() - known.timeMs < cosignEveryMs)
      return known.note
    const signing =
      this.#signing.get(origin) ?? this.#sign(log, tree).finally(() => this.#signing.delete(origin))
    this.#signing.set(origin, signing)
    if (known === undefined) return signing
    // What witnesses cosigned last goes on being shown while they are away.
    return signing.catch(() => known.note)
  }

  /** The log, for its tiles and entries. @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` */
  log(origin: string): Promise<Log> {
    const { registry, issuing, keys } = this.#source
    if (origin === registry.origin) return Promise.resolve(registry.ledger.log)
    if (origin === issuing().origin) return Promise.resolve(issuing().log)
    if (!keys.list().some(({ record }) => record.log === origin)) throw unknownLog(origin)
    return this.#readLog(origin)
  }

  async #sign(log: Log, { size, root }: LogHead): Promise<string> {
    const { keys, clock, cosign } = this.#source
    const { origin } = log
    const timeMs = clock.now()
    const { record } = this.#keyOf(origin)
    const signer = await keys.signer(record.key.kid)
    const name = record.name ?? origin
    const timestampS = Math.floor(timeMs / 1_000)
    const signed = await signCheckpoint({ origin, size, root }, [
      { name, type: noteKeyTypes.mlDsa44, signer, timestampS },
    ])
    const note = cosign === undefined ? signed : await cosign(signed, log)
    if (this.#notes.size >= openLogsMax) this.#notes.clear()
    this.#notes.set(origin, { size, note, timeMs })
    return note
  }

  #keyOf(origin: string): HeldKey {
    const ofLog = this.#source.keys.list().filter(({ record }) => record.log === origin)
    const held = ofLog.findLast(({ record }) => record.state !== 'compromised') ?? ofLog.at(-1)
    if (held === undefined) throw unknownLog(origin)
    return held
  }

  /**
   * The tree that may be shown: of a log that is open its mark, for a checkpoint must not outlive a lost commit; of one that is
   * closed for ever all of it. One that lost its end to a restored backup has none: it would go back.
   */
  #shownTree(log: Log): LogHead {
    const mark = this.#source.store.highWater.mark(log.origin)
    const head = log.head()
    // Its mark may be of a state that was the last one to show it.
    const isWhole = mark === undefined || (this.#isEnded(log.origin) && mark.size <= head.size)
    if (isWhole) return head
    if (mark.size <= head.size) return { size: mark.size, root: mark.hash }
    const what = `checkpoint: the last entries of \`${log.origin}\` are not in this store, and it`
    throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what })
  }

  /** Whether none of its keys signs any more: what it holds now is what it will always hold. */
  #isEnded(origin: string): boolean {
    const ofLog = this.#source.keys.list().filter(({ record }) => record.log === origin)
    return ofLog.every(({ record: { state } }) => state === 'retired' || state === 'compromised')
  }

  async #readLog(origin: string): Promise<Log> {
    const { store } = this.#source
    // One that has ended is opened once more: it may have grown after it was opened.
    const place = this.#isEnded(origin) ? `${origin} whole` : origin
    const known = await this.#closed.get(place)
    // One that was opened while its last batch was being written is behind its mark.
    if (known !== undefined && known.head().size >= (store.highWater.mark(origin)?.size ?? 0)) return known
    if (this.#closed.size >= openLogsMax) this.#closed.clear()
    const opened = openLog({ storage: sqlLogStorage(store.sql, origin), origin, cachedTilesMax: 16 })
    this.#closed.set(place, opened)
    opened.catch(() => this.#closed.delete(place))
    return opened
  }
}

function unknownLog(origin: string): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_NOT_FOUND', {
    what: `log \`${origin.slice(0, limits.serviceIdBytesMax)}\``,
  })
}
