import { setTimeout as pause } from 'node:timers/promises'
import { isQipError, systemClock, systemRandom } from '@quantum-ip/base'
import type { Bound, Listener } from '@quantum-ip/http'
import { LogError, openLog } from '@quantum-ip/log'
import type { Authority } from '../authority.ts'
import type { AuthorityOptions } from '../authority-options.ts'
import { closeLog } from '../issuance/token-log.ts'
import type { AuthorityServerOptions } from '../server.ts'
import { openStore, type Store } from '../store/open-store.ts'
import { isLogClosed, sqlLogStorage } from '../store/sql-log-storage.ts'
import { IssuingInstance } from './issuing-instance.ts'
import { type Leadership, nobody, readLeadership, takeOver } from './leadership.ts'
import { LeadingPart } from './leading-part.ts'
import { PublicationFollower } from './publication-follower.ts'
import { RevocationView } from './revocation-view.ts'

/** What an instance is opened with. */
export interface AuthorityInstanceOptions {
  /** One of its own: it issues under it. */
  readonly name: string
  readonly authority: AuthorityOptions
  /** Where it takes what only the leader does, from other instances. */
  readonly listeners: readonly Listener[]
  readonly urlOf: (bound: readonly Bound[]) => string
  readonly serve: Omit<AuthorityServerOptions, 'authority' | 'listeners'>
}

const pollMs = 150
/** A leader that was not heard of for so long is no leader: three beats and a poll. */
const silenceMs = 1_500
const leaderWaits = 20
const maintainMs = 10_000
const marksMs = 3_000

/**
 * One of several authorities on one store. Each issues on its own token log; one at a time leads: appends attestations, revokes, changes keys,
 * and signs what verifiers follow. If it falls silent, another one takes over.
 */
export class AuthorityInstance {
  readonly name: string
  readonly store: Store
  readonly #options: AuthorityInstanceOptions
  readonly #revocations: RevocationView
  #issuing: IssuingInstance | undefined
  #leading: LeadingPart | undefined
  #leader: Leadership = nobody
  #heardMs = performance.now()
  #isLost = false
  #maintainedMs = 0
  #comparedMs = 0
  #isClosed = false
  #running: Promise<void> = Promise.resolve()
  #opening: Promise<void> | undefined

  private constructor(options: AuthorityInstanceOptions, store: Store) {
    this.name = options.name
    this.#options = options
    this.store = store
    this.#revocations = new RevocationView(store.sql, store.revocations)
  }

  /**
   * Opens an instance; resolves once it issues. The first one of a store founds the trust domain.
   *
   * @throws {AuthorityError} as `openStore`
   */
  static async open(options: AuthorityInstanceOptions): Promise<AuthorityInstance> {
    const { places, trustDomain, onEvent } = options.authority
    const store = options.authority.store ?? (await openStore(places, trustDomain, onEvent))
    const instance = new AuthorityInstance(options, store)
    try {
      await instance.#start()
      return instance
    } catch (error) {
      await instance.close()
      throw error
    }
  }

  /** The part that issues. */
  get issuing(): IssuingInstance {
    if (this.#issuing === undefined) throw new TypeError('the instance is not open')
    return this.#issuing
  }

  /** Where the leader takes what only it does; empty while nobody leads. */
  get leaderUrl(): string {
    return /^https?:/.test(this.#leader.url) ? this.#leader.url : ''
  }

  /** The whole authority, while this instance leads. */
  get leading(): Authority | undefined {
    return this.#leading?.authority
  }

  get isLeading(): boolean {
    return this.#leading !== undefined
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#running
    await this.#opening?.catch(() => undefined)
    await this.#leading?.close(true)
    await this.#issuing?.close()
    await this.store.close()
  }

  async #start(): Promise<void> {
    const { name, authority } = this.#options
    const store = this.store
    let publisher: PublicationFollower | undefined
    while (publisher === undefined) {
      await this.#lead()
      await this.#opening?.catch(() => undefined)
      publisher = await PublicationFollower.open(store.sql, this.#revocations)
      if (publisher === undefined) await pause(pollMs)
    }
    this.#running = this.#run()
    const { clock = systemClock, random = systemRandom } = authority
    const options = { name, store, clock, random, revocations: this.#revocations, publisher, authority }
    this.#issuing = await IssuingInstance.open(options)
    // Whoever asks at once finds the leader, if there is one.
    for (let waits = 0; this.leaderUrl === '' && waits < leaderWaits; waits++) await pause(pollMs)
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      await pause(pollMs)
      // What fails now is done by the next turn: the store is away, or somebody else was faster.
      await this.#lead().catch((error: unknown) => this.#tell('instance_leading_failed', error))
      await this.#follow().catch((error: unknown) => this.#tell('instance_following_failed', error))
    }
  }

  async #follow(): Promise<void> {
    if (this.#issuing === undefined) return
    await this.#issuing.follow()
    const nowMs = performance.now()
    if (nowMs - this.#comparedMs > marksMs) {
      await this.#compareMarks()
      this.#comparedMs = nowMs
    }
    if (nowMs - this.#maintainedMs > maintainMs) {
      this.#maintainedMs = nowMs
      void this.#issuing
        .maintain()
        .catch((error: unknown) => this.#tell('instance_maintenance_failed', error))
    }
  }

  /** Looks who leads, and takes over where nobody does. */
  async #lead(): Promise<void> {
    const found = await readLeadership(this.store.sql)
    const nowMs = performance.now()
    const { term, holder, beat } = this.#leader
    if (found.term !== term || found.holder !== holder || found.beat !== beat) this.#heardMs = nowMs
    this.#leader = found
    if (this.#leading !== undefined) return this.#checkLeading(found)
    if (this.#opening !== undefined) return
    const isSilent = nowMs - this.#heardMs > silenceMs
    if (found.url !== '' && !isSilent) return
    const own = await takeOver(this.store.sql, found, { instance: this.name, url: 'opening' })
    if (own === undefined) return
    this.#leader = own
    this.#heardMs = nowMs
    this.#isLost = false
    this.#opening = this.#open(own, found).finally(() => {
      this.#opening = undefined
    })
    this.#opening.catch((error: unknown) => this.#tell('instance_leading_failed', error))
  }

  async #open(leadership: Leadership, before: Leadership): Promise<void> {
    const { name, authority, listeners, serve, urlOf } = this.#options
    const [store, revocations] = [this.store, this.#revocations]
    const options = { name, store, leadership, before, revocations, authority, listeners, serve, urlOf }
    const onLost = (): void => {
      this.#isLost = true
    }
    try {
      this.#leading = await LeadingPart.open(options, onLost)
      authority.onEvent?.('instance_leads', { instance: name, term: leadership.term })
    } catch (error) {
      // Others need not wait for the silence.
      this.#leader = { ...leadership, url: '' }
      throw error
    }
  }

  /** A leader that lost the lead, whose store went back, or whose log was closed begins anew: as a follower, or with the next log. */
  async #checkLeading(found: Leadership): Promise<void> {
    const leading = this.#leading
    if (leading === undefined) return
    const isOther = found.instance !== this.name
    if (!this.#isLost && !isOther && !(await isLogClosed(this.store.sql, leading.attestations))) return
    this.#leading = undefined
    this.#options.authority.onEvent?.('instance_leads_no_more', { instance: this.name, term: found.term })
    await leading.close(!isOther)
    this.#heardMs = performance.now()
  }

  /** Closes the attestation log for everybody if the store has less of it than was seen here. */
  async #compareMarks(): Promise<void> {
    const { sql, highWater } = this.store
    for (const mark of highWater.marks()) {
      if (!mark.origin.includes('/attestations/') || mark.size === 0) continue
      if (await isLogClosed(sql, mark.origin)) continue
      try {
        await openLog({
          storage: sqlLogStorage(sql, mark.origin),
          origin: mark.origin,
          extending: { size: mark.size, root: mark.hash },
          cachedTilesMax: 4,
        })
      } catch (error) {
        const isBehind = error instanceof LogError && error.code === 'QIP_LOG_NOT_AN_EXTENSION'
        // A store that lost even the beginning of the log has no place to close.
        if (!isBehind && isQipError(error, 'QIP_AUTHORITY_NOT_FOUND')) continue
        if (!isBehind) throw error
        await closeLog(this.store, mark.origin)
        this.#options.authority.onEvent?.('log_behind_mark', { origin: mark.origin, size: mark.size })
      }
    }
  }

  #tell(event: string, error: unknown): void {
    const reason = isQipError(error) ? error.code : error instanceof Error ? error.name : 'unknown'
    this.#options.authority.onEvent?.(event, { instance: this.name, reason })
  }
}
