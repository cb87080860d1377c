import { type Clock, equalBytes, hex, type TrustDomain, trustDomainName } from '@quantum-ip/base'
import { noteKeyTypes } from '@quantum-ip/crypto'
import {
  type Log,
  type LogCommit,
  LogError,
  type LogHead,
  openLog,
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  signCheckpoint,
} from '@quantum-ip/log'
import { type KeyState, verifierKeyOf } from '@quantum-ip/trust'
import { closeLog } from '../issuance/token-log.ts'
import type { Cosign } from './cosign.ts'
import { AuthorityError } from '../authority-errors.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { readMeta, writeMetaStatement } from '../store/meta.ts'
import type { Store } from '../store/open-store.ts'
import type { SqlStatement } from '../store/sql.ts'
import { createLogStatement, isLogClosed, sqlLogStorage } from '../store/sql-log-storage.ts'

/** A signed note over a size of a log. */
export interface SignedCheckpoint {
  readonly size: number
  readonly note: string
}

/** The attestation log that is open: `…/attestations/<n>`. */
export interface AttestationLog {
  readonly number: number
  readonly origin: string
  readonly log: Log
  /**
   * Appends an entry, and in the same transaction the row about it; resolves when both are durable and under a signed
   * checkpoint.
   *
   * @param row the statement that keeps what the entry is about, given the entry's index
   */
  append(
    entry: Uint8Array,
    row: (index: number) => SqlStatement,
  ): Promise<{ readonly index: number; readonly checkpoint: SignedCheckpoint }>
  /**
   * The newest checkpoint; signed when first asked for. With witnesses: the newest that they cosigned and that has the entry
   * `index`, so that what was logged before stays provable while they are away.
   *
   * @throws {MirrorError} `QIP_MIRROR_QUORUM_MISSING` where there is none yet
   */
  checkpoint(index?: number): Promise<SignedCheckpoint>
  /** The newest tree whose mark is durable: what may be shown. */
  shownHead(): LogHead
}

/** What the log is opened from. */
export interface AttestationLogSource {
  readonly td: TrustDomain
  readonly store: Store
  readonly keys: KeyRing
  readonly clock: Clock
  /** Has checkpoints cosigned; absent: there are no witnesses. */
  readonly cosign?: Cosign | undefined
}

/**
 * Opens the attestation log, with a log key of its own. One that is behind its mark (a restored backup) is closed for ever, and
 * the next number is opened.
 */
export async function openAttestationLog(source: AttestationLogSource): Promise<AttestationLog> {
  const { td, store, keys } = source
  for (;;) {
    const held = keys.find('qip-log', 'active')
    const number = held === undefined ? nextNumber(source) : numberOf(held.record.log ?? '')
    const origin = attestationLogOrigin(td, number)
    // Outside the store first: a restored store must not use the number again.
    if (held === undefined) await store.highWater.reserve(origin)
    const record =
      held?.record ??
      (await keys.create({ use: 'qip-log', alg: 'ML-DSA-44', state: 'active', name: origin, log: origin }))
        .record
    const rows: PendingRows = new Map()
    const log = await tryOpen(store, origin, rows)
    if (log !== undefined) {
      // A private key that is lost is found out now, not with the first attestation.
      await keys.signer(record.key.kid)
      // States will show the log as it is now.
      const { size, root } = log.head()
      await store.highWater.raise({ origin, size, hash: root })
      return SignedLog.open(source, { number, log, rows })
    }
    await closeLog(store, origin)
    // The standby of this log goes with it.
    await keys.move(
      keys
        .list()
        .filter(({ record: { use, log, state } }) => use === 'qip-log' && log === origin && isLiving(state))
        .map(({ record: { key } }) => ({ kid: key.kid, to: 'retired' as const })),
    )
  }
}

/** The origin of attestation log `number`. */
export function attestationLogOrigin(td: TrustDomain, number: number): string {
  return `${trustDomainName(td)}/attestations/${number}`
}

/**
 * A closed attestation log, as far as the store still has it: what was registered there stays provable. Its checkpoints are signed
 * with the retired key, which counts for as long as evidence does.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND`
 */
export async function openClosedLog(source: AttestationLogSource, number: number): Promise<AttestationLog> {
  const { td, store, keys } = source
  const origin = attestationLogOrigin(td, number)
  const ofLog = keys.list().filter(({ record }) => record.use === 'qip-log' && record.log === origin)
  const held = ofLog.findLast(({ record }) => record.state !== 'compromised') ?? ofLog.at(-1)
  if (held === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `log \`${origin}\`` })
  const log = await openLog({ storage: sqlLogStorage(store.sql, origin), origin, cachedTilesMax: 16 })
  return SignedLog.open(source, { number, log, rows: new Map(), closedBy: held.record.key.kid })
}

/** Rows that wait to be written with their entries, by the entry in hexadecimal. */
type PendingRows = Map<string, (index: number) => SqlStatement>

function rowsOf(rows: PendingRows, { entries, expected }: LogCommit): readonly SqlStatement[] {
  return parseEntryBundle(entries).flatMap((entry, i) => {
    const row = rows.get(hex(entry))
    return row === undefined ? [] : [row(expected.size + i)]
  })
}

async function tryOpen(store: Store, origin: string, rows: PendingRows): Promise<Log | undefined> {
  const mark = store.highWater.mark(origin)
  if (mark === undefined) return undefined
  await store.sql.transact([createLogStatement(origin)])
  // By another instance, that knows more of it than the store does.
  if (await isLogClosed(store.sql, origin)) return undefined
  try {
    return await openLog({
      storage: sqlLogStorage(store.sql, origin, (commit) => rowsOf(rows, commit)),
      origin,
      genesis: true,
      extending: { size: mark.size, root: mark.hash },
    })
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'QIP_LOG_NOT_AN_EXTENSION') throw error
    return undefined
  }
}

function isLiving(state: KeyState): boolean {
  return state !== 'retired' && state !== 'compromised'
}

function nextNumber({ keys, store, td }: AttestationLogSource): number {
  const prefix = `${trustDomainName(td)}/attestations/`
  const origins = [
    ...keys.list().map(({ record }) => record.log ?? ''),
    ...store.highWater.marks().map(({ origin }) => origin),
  ]
  const numbers = origins.filter((origin) => origin.startsWith(prefix)).map((origin) => numberOf(origin))
  return Math.max(0, ...numbers) + 1
}

function numberOf(origin: string): number {
  return Number(origin.slice(origin.lastIndexOf('/') + 1))
}

interface SignedLogParts extends Pick<AttestationLog, 'number' | 'log'> {
  readonly rows: PendingRows
  readonly closedBy?: string
}

/** A checkpoint and the key that signed it. */
interface HeldCheckpoint extends SignedCheckpoint {
  readonly kid: string
}

/** After a failed attempt the witnesses are left alone for so long: each look-up of an attestation would ask them. */
const cosignPauseMs = 2_000

function cosignedName(origin: string): string {
  return `cosigned ${origin}`
}

class SignedLog implements AttestationLog {
  readonly number: number
  readonly log: Log
  readonly #source: AttestationLogSource
  /** The key that signs for a closed log; an open one is signed for by its active key. */
  readonly #closedBy: string | undefined
  readonly #rows: PendingRows
  #shown: LogHead
  #checkpoint: HeldCheckpoint | undefined
  #signing: Promise<SignedCheckpoint> | undefined

  #failure: { readonly error: unknown; readonly timeMs: number } | undefined

  private constructor(source: AttestationLogSource, parts: SignedLogParts) {
    this.#source = source
    this.#closedBy = parts.closedBy
    this.#rows = parts.rows
    this.number = parts.number
    this.log = parts.log
    this.#shown = parts.log.head()
  }

  static async open(source: AttestationLogSource, parts: SignedLogParts): Promise<SignedLog> {
    const log = new SignedLog(source, parts)
    if (source.cosign !== undefined) log.#checkpoint = await log.#lastCosigned()
    return log
  }

  get origin(): string {
    return this.log.origin
  }

  shownHead(): LogHead {
    return this.#shown
  }

  async append(
    entry: Uint8Array,
    row: (index: number) => SqlStatement,
  ): Promise<{ readonly index: number; readonly checkpoint: SignedCheckpoint }> {
    const key = hex(entry)
    this.#rows.set(key, row)
    try {
      const { start, end } = await this.log.append([entry])
      let checkpoint = await this.checkpoint(start)
      // A signature that was under way when the entry landed may be over a smaller tree.
      while (checkpoint.size < end) checkpoint = await this.checkpoint(start)
      return { index: start, checkpoint }
    } finally {
      this.#rows.delete(key)
    }
  }

  async checkpoint(index = -1): Promise<SignedCheckpoint> {
    const held = this.#checkpoint
    if (held?.size === this.log.head().size && held.kid === this.#kid()) return held
    const isEnough =
      this.#source.cosign !== undefined && held !== undefined && held.size > index && this.#counts(held.kid)
    if (isEnough && this.#isPausing()) return held
    // All who wait share one signature.
    this.#signing ??= this.#sign().finally(() => {
      this.#signing = undefined
    })
    if (!isEnough) return this.#signing
    // Nobody waits for witnesses who can do without the newest tree.
    this.#signing.catch(() => undefined)
    return held
  }

  async #sign(): Promise<SignedCheckpoint> {
    const { store, clock } = this.#source
    const { size, root } = this.log.head()
    // Nothing is added to a closed log: its tree of this size is the one that it always had.
    if (this.#closedBy === undefined) await store.highWater.raise({ origin: this.origin, size, hash: root })
    this.#shown = { size, root }
    const timestampS = Math.floor(clock.now() / 1_000)
    const kid = this.#kid()
    const signer = await this.#source.keys.signer(kid)
    const signed = await signCheckpoint({ origin: this.origin, size, root }, [
      { name: this.origin, type: noteKeyTypes.mlDsa44, signer, timestampS },
    ])
    this.#checkpoint = { size, kid, note: await this.#cosigned(signed) }
    return this.#checkpoint
  }

  #kid(): string {
    if (this.#closedBy !== undefined) return this.#closedBy
    const active = this.#source.keys.find('qip-log', 'active', this.origin)
    if (active === undefined)
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'no log key is active' })
    return active.record.key.kid
  }

  /** Whether what a key signed still counts. */
  #counts(kid: string): boolean {
    return this.#source.keys.get(kid)?.record.state !== 'compromised'
  }

  async #cosigned(note: string): Promise<string> {
    const { cosign, clock, store } = this.#source
    if (cosign === undefined) return note
    if (this.#failure !== undefined && this.#isPausing()) throw this.#failure.error
    try {
      const cosigned = await cosign(note, this.log)
      this.#failure = undefined
      // Kept, so that what is logged stays provable after a restart while the witnesses are away.
      await store.sql.transact([writeMetaStatement(cosignedName(this.origin), cosigned)])
      return cosigned
    } catch (error) {
      this.#failure = { error, timeMs: clock.now() }
      throw error
    }
  }

  #isPausing(): boolean {
    const { clock } = this.#source
    return this.#failure !== undefined && Math.abs(clock.now() - this.#failure.timeMs) < cosignPauseMs
  }

  /** The last checkpoint that witnesses cosigned, if the log still begins with its tree. */
  async #lastCosigned(): Promise<HeldCheckpoint | undefined> {
    const { store, keys } = this.#source
    const note = await readMeta(store.sql, cosignedName(this.origin))
    if (note === undefined) return undefined
    const { text, signatures } = parseNote(note)
    const { size, root } = parseCheckpoint(text)
    if (size === 0 || size > this.log.head().size) return undefined
    if (!equalBytes(await this.log.subtreeHash({ start: 0, end: size }), root)) return undefined
    const ids = new Set(signatures.map(({ keyId }) => keyId))
    const held = keys
      .list()
      .find(({ record }) => record.log === this.origin && ids.has(verifierKeyOf(record).keyId))
    return held && { size, note, kid: held.record.key.kid }
  }
}
