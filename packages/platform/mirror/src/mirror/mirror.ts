import { join } from 'node:path'
import {
  type Clock,
  type CodedError,
  isQipError,
  systemClock,
  type TrustDomain,
  trustDomainName,
} from '@quantum-ip/base'
import {
  type FollowerEvent,
  openTrustFollower,
  type Requester,
  type TrustFollower,
  type TrustFollowerOptions,
} from '@quantum-ip/client'
import type { NoteVerifierKey } from '@quantum-ip/crypto'
import { type TrustStore, verifierKeyOf } from '@quantum-ip/trust'
import type { FolderLock } from '@quantum-ip/http'
import { lockFolder } from '../lib/folder-lock.ts'
import { Periodic } from '../lib/periodic.ts'
import { MirrorError } from '../mirror-errors.ts'
import { ForkReports } from '../report/fork-reports.ts'
import { directoryStore } from '../store/directory-store.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { AttestationMirror } from './attestation-mirror.ts'
import { LogMirror } from './log-mirror.ts'
import { applyHeldTrust, readTrustFile, writeTrustFile } from './trust-file.ts'
import { TrustHistory } from './trust-history.ts'

/** What a mirror reports. */
export type MirrorEvent =
  | { readonly kind: 'progress'; readonly origin: string; readonly done: number; readonly total: number }
  | { readonly kind: 'log_current'; readonly origin: string; readonly size: number }
  /** Files that were damaged or missing, and were fetched again. */
  | { readonly kind: 'log_repaired'; readonly origin: string; readonly files: number }
  | { readonly kind: 'log_failed'; readonly origin: string; readonly error: CodedError }
  | { readonly kind: 'envelopes_missing'; readonly origin: string; readonly count: number }
  | { readonly kind: 'trust'; readonly event: FollowerEvent }
  | { readonly kind: 'trust_file_failed'; readonly error: CodedError }

/** What a mirror is opened with. */
export interface MirrorOptions {
  /** With the pinned root keys; holds nothing yet. */
  readonly store: TrustStore
  /** A member's session with the authority, or an operator's credential. */
  readonly session: TrustFollowerOptions['session']
  readonly directory: string
  readonly clock?: Clock
  /** Milliseconds between looks at the logs. Default 2,000. */
  readonly pollMs?: number
  /** Milliseconds between whole checks of what is held. Default six hours; one is made at start. */
  readonly checkEveryMs?: number
  /** Milliseconds between writes of the trust documents. Default 5,000. */
  readonly saveMs?: number
  readonly timing?: TrustFollowerOptions['timing']
  readonly onEvent?: (event: MirrorEvent) => void
}

/** Putting the trust documents together may take one part in so many of the time. */
const saveRestRatio = 50

/**
 * Mirrors a trust domain: its logs, its attestations and its trust documents. It resolves when it has looked once, whether or not the
 * authority answered: what it held is served at once.
 *
 * @throws {MirrorError} `QIP_MIRROR_FOLDER_LOCKED` · `QIP_MIRROR_STORE_UNAVAILABLE`
 */
export async function openMirror(options: MirrorOptions): Promise<Mirror> {
  const lock = await lockFolder(options.directory)
  const mirror = new Mirror(options, lock)
  try {
    await mirror.start()
    return mirror
  } catch (error) {
    await mirror.close()
    throw error
  }
}

/** A mirror that runs. */
export class Mirror implements AsyncDisposable {
  readonly trust: TrustStore
  readonly history = new TrustHistory()
  readonly attestations: AttestationMirror
  readonly reports: ForkReports
  readonly clock: Clock
  readonly #options: MirrorOptions
  readonly #lock: FolderLock
  readonly #files: ObjectStore
  readonly #logs = new Map<string, LogMirror>()
  readonly #failures = new Map<string, string>()
  #follower: TrustFollower | undefined
  #looking: Periodic | undefined
  #saving: Periodic | undefined
  #savedVersion = 0
  #savedMs = Number.NEGATIVE_INFINITY
  #restMs = 0
  #checkedMs = Number.NEGATIVE_INFINITY

  /** Use {@link openMirror}. */
  constructor(options: MirrorOptions, lock: FolderLock) {
    const { store, session, directory, clock = systemClock } = options
    this.trust = store
    this.clock = clock
    this.#options = options
    this.#lock = lock
    this.#files = directoryStore(directory, { mode: 0o600 })
    const forks = join(directory, 'forks')
    this.reports = new ForkReports(directoryStore(forks, { mode: 0o600 }), forks)
    this.attestations = new AttestationMirror({ td: store.td, requester: session, store: this.#files })
  }

  /** The logs that are held or known, by origin. */
  get logs(): ReadonlyMap<string, LogMirror> {
    return this.#logs
  }

  /** Whoever may ask the authority. */
  get requester(): Requester {
    return this.#options.session
  }

  async start(): Promise<void> {
    const { session, timing, pollMs = 2_000, saveMs = 5_000 } = this.#options
    await this.#restore()
    this.#follower = await openTrustFollower({
      session,
      store: this.trust,
      point: undefined,
      clock: this.clock,
      onTaken: (document) => this.history.take(document),
      onEvent: (event) => this.#report({ kind: 'trust', event }),
      ...(timing !== undefined && { timing }),
    })
    this.#looking = new Periodic(pollMs, () => this.#look())
    this.#saving = new Periodic(saveMs, () => this.#save())
    await this.#looking.run()
    await this.#saving.run()
  }

  /** Checks a log of which a damaged file was met, and fetches what is damaged again. */
  async repair(origin: string): Promise<void> {
    const log = this.#logs.get(origin)
    if (log !== undefined) await this.#attempt(log, () => this.#check(log))
  }

  /** Looks at every log now. */
  async look(): Promise<void> {
    await this.#looking?.run()
  }

  async close(): Promise<void> {
    await this.#looking?.close()
    await this.#saving?.close()
    await this.#follower?.close()
    await this.#save()
    this.#lock.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #restore(): Promise<void> {
    try {
      const held = await readTrustFile(this.#files)
      if (held === undefined) return
      await applyHeldTrust(held, this.trust, this.clock.now())
      this.history.restore(held)
    } catch (error) {
      if (!isQipError(error)) throw error
      // Damaged, or expired: the authority is asked for all of it.
      this.#report({ kind: 'trust_file_failed', error })
    }
  }

  async #save(): Promise<void> {
    const { version } = this.history
    const now = performance.now()
    if (version === this.#savedVersion || now - this.#savedMs < this.#restMs) return
    try {
      await writeTrustFile(this.#files, this.history)
      this.#savedVersion = version
    } catch (error) {
      if (!isQipError(error)) throw error
      this.#report({ kind: 'trust_file_failed', error })
    }
    this.#savedMs = performance.now()
    this.#restMs = (this.#savedMs - now) * saveRestRatio
  }

  async #look(): Promise<void> {
    const { checkEveryMs = 6 * 3_600_000 } = this.#options
    this.#openLogs()
    const nowMs = this.clock.now()
    const isCheckDue = nowMs - this.#checkedMs >= checkEveryMs
    if (isCheckDue) this.#checkedMs = nowMs
    for (const log of this.#logs.values()) {
      await this.#attempt(log, async () => {
        if (isCheckDue || log.held === undefined) await this.#check(log)
        if (await log.sync())
          this.#report({ kind: 'log_current', origin: log.origin, size: log.held?.checkpoint.size ?? 0 })
        await this.#fetchEnvelopes(log)
      })
    }
  }

  async #check(log: LogMirror): Promise<void> {
    const files = await log.check()
    if (files > 0) this.#report({ kind: 'log_repaired', origin: log.origin, files })
  }

  async #fetchEnvelopes({ held, origin }: LogMirror): Promise<void> {
    if (held === undefined || !isAttestationLog(origin, this.trust.td)) return
    const count = await this.attestations.sync(held)
    if (count > 0) this.#tellOnce(origin, `envelopes ${count}`, { kind: 'envelopes_missing', origin, count })
  }

  async #attempt(log: LogMirror, work: () => Promise<void>): Promise<void> {
    const { origin } = log
    try {
      await work()
      this.#failures.delete(origin)
    } catch (error) {
      const coded = isQipError(error) ? error : unexpected(origin, error)
      this.#tellOnce(origin, coded.message, { kind: 'log_failed', origin, error: coded })
    }
  }

  // Logs are looked at every other second: a failure that lasts is told once.
  #tellOnce(origin: string, what: string, event: MirrorEvent): void {
    if (this.#failures.get(origin) === what) return
    this.#failures.set(origin, what)
    this.#report(event)
  }

  /** Every log that the signed bundle has a key for. */
  #openLogs(): void {
    const { progress, store } = { progress: this.#progress, store: this.#files }
    for (const { log: origin, state } of [
      ...this.trust.keysOf('qip-log'),
      ...this.trust.keysOf('qip-token'),
    ]) {
      // The log of a standby has not begun.
      if (origin === undefined || state === 'published' || this.#logs.has(origin)) continue
      const logKeys = () => this.#keysOf(origin)
      const { reports, requester, clock } = this
      const now = () => clock.now()
      this.#logs.set(origin, new LogMirror({ origin, logKeys, requester, store, reports, now, progress }))
    }
  }

  readonly #progress = (origin: string, done: number, total: number): void => {
    this.#report({ kind: 'progress', origin, done, total })
  }

  #keysOf(origin: string): readonly NoteVerifierKey[] {
    return [...this.trust.keysOf('qip-log'), ...this.trust.keysOf('qip-token')]
      .filter(({ log }) => log === origin)
      .map((record) => verifierKeyOf(record))
  }

  #report(event: MirrorEvent): void {
    this.#options.onEvent?.(event)
  }
}

function isAttestationLog(origin: string, td: TrustDomain): boolean {
  return origin.startsWith(`${trustDomainName(td)}/attestations/`)
}

function unexpected(origin: string, error: unknown): MirrorError {
  const reason = error instanceof Error ? error.name : 'unknown'
  return new MirrorError('QIP_MIRROR_STORE_UNAVAILABLE', { store: origin, reason })
}
