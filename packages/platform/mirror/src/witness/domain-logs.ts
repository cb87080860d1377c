import { type Clock, type CodedError, isQipError } from '@quantum-ip/base'
import type { Requester } from '@quantum-ip/client'
import type { NoteVerifierKey } from '@quantum-ip/crypto'
import { type TrustStore, verifierKeyOf } from '@quantum-ip/trust'
import { FollowedRoots } from '../trust/followed-roots.ts'
import type { LogKeys } from './witness.ts'

/** What the logs of a trust domain are known from. */
export interface DomainLogsOptions {
  /** With the pinned root keys; holds nothing yet. */
  readonly store: TrustStore
  readonly requester: Requester
  readonly clock: Clock
  /** Milliseconds after which the bundle is asked for again; an unknown log asks at once, once a second. Default 60,000. */
  readonly refreshMs?: number
  readonly onFailure?: (error: CodedError) => void
}

const unknownRefreshMs = 1_000

/**
 * The logs of a trust domain by its signed bundle, which is verified from the pinned root keys on: a new token log every day needs
 * nobody to configure it. What is compromised is not cosigned.
 */
export class DomainLogs implements LogKeys {
  readonly #options: DomainLogsOptions
  readonly #roots: FollowedRoots
  #refreshing: Promise<void> | undefined
  #askedMs = Number.NEGATIVE_INFINITY

  constructor(options: DomainLogsOptions) {
    this.#options = options
    this.#roots = new FollowedRoots(options)
  }

  async keysOf(origin: string): Promise<readonly NoteVerifierKey[]> {
    const { clock, refreshMs = 60_000 } = this.#options
    const known = this.#known(origin)
    const ageMs = clock.now() - this.#askedMs
    if (ageMs >= refreshMs || ageMs < 0 || (known.length === 0 && ageMs >= unknownRefreshMs))
      await this.#refresh()
    return this.#known(origin)
  }

  #known(origin: string): readonly NoteVerifierKey[] {
    const { store } = this.#options
    return [...store.keysOf('qip-log'), ...store.keysOf('qip-token')]
      .filter(({ log, state }) => log === origin && state !== 'compromised')
      .map((record) => verifierKeyOf(record))
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#read().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #read(): Promise<void> {
    const { onFailure, clock } = this.#options
    this.#askedMs = clock.now()
    try {
      await this.#roots.refresh()
    } catch (error) {
      if (!isQipError(error)) throw error
      // What is known already goes on counting: keys end by a bundle that says so.
      onFailure?.(error)
    }
  }
}
