import { setTimeout as pause } from 'node:timers/promises'
import { parseEnvelope } from '@quantum-ip/crypto'
import { type Bundle, parseBundle, parseState, type State } from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import { addIssuedHeads } from '../state/issued-heads.ts'
import type { HeadBatch } from '../state/pending-heads.ts'
import { readNewest, readPublications, type StoredPublication } from '../state/publications.ts'
import type { Publication } from '../state/publisher.ts'
import type { Sql } from '../store/sql.ts'
import type { RevocationView } from './revocation-view.ts'

const publishedWithinMs = 30_000
const listedWithinMs = 5_000

/** What the leader publishes, passed on: states, bundles and revocations out of the store, in order and each once. */
export class PublicationFollower {
  readonly #sql: Sql
  readonly #revocations: RevocationView
  readonly #listeners = new Set<(publication: Publication) => void>()
  #current: Publication
  #state: State
  #bundle: Bundle
  #bundleText: string
  #added: { readonly origin: string; readonly size: number } | undefined

  private constructor(sql: Sql, revocations: RevocationView, newest: StoredPublication & { bundle: string }) {
    this.#sql = sql
    this.#revocations = revocations
    this.#bundleText = newest.bundle
    this.#bundle = readBundle(newest.bundle)
    this.#state = readState(newest.state)
    this.#current = { ...newest, revocations: [], heads: this.#state.heads }
  }

  /** Begins with the newest publication; `undefined` where nothing was published yet. */
  static async open(sql: Sql, revocations: RevocationView): Promise<PublicationFollower | undefined> {
    const newest = await readNewest(sql)
    if (newest === undefined) return undefined
    await revocations.refresh()
    return new PublicationFollower(sql, revocations, newest)
  }

  get current(): Publication {
    return this.#current
  }

  /** The newest state. */
  get state(): State {
    return this.#state
  }

  get bundle(): Bundle {
    return this.#bundle
  }

  /** The signed bundle, DSSE as JSON. */
  get bundleText(): string {
    return this.#bundleText
  }

  /** Calls `listener` with every publication from now on. */
  subscribe(listener: (publication: Publication) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Makes heads durable; the leader lists them. @throws as `addIssuedHeads` */
  async addHeads(batch: HeadBatch): Promise<void> {
    await addIssuedHeads(this.#sql, batch)
    const last = batch.heads.at(-1)
    if (last !== undefined) this.#added = { origin: last.head.origin, size: batch.tree.size }
  }

  /** Waits for the state that lists the heads that were added last; not for ever, since nobody may lead. */
  async publish(): Promise<void> {
    const { origin = '', size = 0 } = this.#added ?? {}
    const deadlineMs = performance.now() + listedWithinMs
    const isListed = (): boolean => (this.#state.logs.get(origin)?.size ?? 0) >= size
    while (!isListed() && performance.now() < deadlineMs) {
      await pause(50)
      await this.poll()
    }
  }

  /** Passes on what was published since. */
  async poll(): Promise<void> {
    for (const stored of await readPublications(this.#sql, this.#current.seq)) {
      // Somebody who waits for a key may have shown it already.
      if (stored.seq <= this.#current.seq) continue
      // A state counts with the revocations that it confirms.
      if (stored.epoch > this.#revocations.epoch) await this.#revocations.refresh()
      this.#show(stored)
    }
  }

  /**
   * Waits until the leader has published a key.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE` if nobody does
   */
  async whenListed(kid: string): Promise<void> {
    const deadlineMs = performance.now() + publishedWithinMs
    while (!this.#bundle.keys.some(({ key }) => key.kid === kid)) {
      if (performance.now() > deadlineMs) {
        throw new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', {
          reason: 'no leader has published the issuing key of this instance',
          next: 'look whether an instance leads: its event `instance_leads`, or the row in `leadership`',
        })
      }
      await pause(50)
      await this.poll()
    }
  }

  #show({ seq, timeMs, epoch, head, state: text, bundle }: StoredPublication): void {
    const state = readState(text)
    if (bundle !== undefined) {
      this.#bundleText = bundle
      this.#bundle = readBundle(bundle)
    }
    const before = this.#current.epoch
    const revocations = this.#revocations.since(before).slice(0, Math.max(0, epoch - before))
    this.#state = state
    this.#current = { seq, timeMs, epoch, head, state: text, bundle, revocations, heads: state.heads }
    for (const listener of this.#listeners) listener(this.#current)
  }
}

function readState(text: string): State {
  return parseState(parseEnvelope(text).payload)
}

function readBundle(text: string): Bundle {
  return parseBundle(parseEnvelope(text).payload)
}
