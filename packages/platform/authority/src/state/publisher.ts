import { base64url, type Clock, equalBytes, parseBase64url, parseJson, type TrustDomain } from '@quantum-ip/base'
import { formatEnvelope, type Signer } from '@quantum-ip/crypto'
import {
  type Bundle,
  chainHead,
  encodeHead,
  type HeadRecord,
  headChainStart,
  type LogHead,
  type RevocationRecord,
  signState,
  type State,
} from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { HeldKey, KeyRing } from '../keys/key-ring.ts'
import { readMeta, writeMetaStatement } from '../store/open-store.ts'
import type { Sql, SqlStatement } from '../store/sql.ts'
import { baseStatements, readHeads } from './history.ts'
import type { Revocations } from './revocations.ts'
import { lastBundleSequence, makeBundle, type SignedBundle } from './signed-bundle.ts'

/** One step of the trust state, as the feed carries it. */
export interface Publication {
  readonly seq: number
  readonly timeMs: number
  /** The signed state, DSSE as JSON. */
  readonly state: string
  /** The bundle that it rests on, where that is new since the previous publication. */
  readonly bundle: string | undefined
  /** The records that it confirms beyond the previous one. */
  readonly revocations: readonly RevocationRecord[]
  /** How many revocations it confirms in all. */
  readonly epoch: number
  readonly heads: readonly HeadRecord[]
  /** The number of the last head that it confirms. */
  readonly head: number
}

/** A head as the issuer hands it over, with what signed it. */
export interface SignedHead {
  readonly head: HeadRecord
  /** The signed head as a `Quantum-IP-Head` value. */
  readonly staple: string
}

/** Heads of one batch, and the tree that the log had after it. */
export interface HeadBatch {
  readonly heads: readonly SignedHead[]
  readonly tree: LogHead
}

/** What a publisher works with. */
export interface PublisherOptions {
  readonly td: TrustDomain
  readonly sql: Sql
  readonly keys: KeyRing
  readonly revocations: Pick<Revocations, 'epoch' | 'chain' | 'since'>
  readonly clock: Clock
  /** Signs bundles: a bundle key of the root document. */
  readonly bundleSigner: Signer
  readonly rootSequence: number
  /** Seconds that a bundle is valid: at most seven days. */
  readonly lifetimeS: number
  /**
   * Every open log with its size and root; asked whenever a state is made. `listed` are the token logs as far as their heads were
   * listed. A state must not show a token log beyond that: to a verifier, a head that is not listed below the log's size
   * does not exist.
   */
  readonly logs: (listed: ReadonlyMap<string, LogHead>) => ReadonlyMap<string, LogHead>
  /** Milliseconds between states while heads appear. Default 500. */
  readonly headIntervalMs?: number
  /** Milliseconds after which a state is signed though nothing changed. Default 4,500. */
  readonly heartbeatMs?: number
}

interface PendingHead {
  readonly number: number
  readonly head: HeadRecord
  /** With the last head of a batch: the tree after the batch. */
  readonly tree: LogHead | undefined
}

/** Heads of one batch with their numbers, as they are written. */
interface NumberedBatch {
  readonly rows: readonly ({ readonly number: number } & SignedHead)[]
  readonly tree: LogHead
}

interface ChainPosition {
  seq: number
  timeMs: number
  head: number
  chain: Uint8Array
}

const baseIntervalMs = 60_000
/** Heads in one state: with the longest names that there may be it stays below the size that a state may have. */
const stateHeads = 2_048
/** A bundle is signed anew when it is this old, so that an authority that was away for days still leaves a valid one. */
const bundleRefreshS = 24 * 3_600

/**
 * Signs what verifiers trust: the bundle when keys change, the state when anything does, and at least every five seconds.
 *
 * What a state says is durable before the state is signed; the state's number and chain are durable before it is seen.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #listeners = new Set<(publication: Publication) => void>()
  readonly #position: ChainPosition
  readonly #listed = new Map<string, LogHead>()
  #pending: PendingHead[] = []
  #heads: number
  /** Heads of which nobody knows whether they are in the store. */
  #unsettled: NumberedBatch | undefined
  #bundle: SignedBundle
  #bundleIsNew = true
  #last: Publication | undefined
  #lastBaseMs = 0
  #confirmedEpoch = 0
  #timer: NodeJS.Timeout | undefined
  #publishing: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(options: PublisherOptions, restored: Restored) {
    this.#options = options
    this.#position = restored.position
    this.#pending = restored.pending
    this.#heads = restored.heads
    this.#bundle = restored.bundle
  }

  /** Takes up where the last process stopped, signs a bundle and a first state, and goes on by itself. */
  static async open(options: PublisherOptions): Promise<Publisher> {
    const publisher = new Publisher(options, await restore(options))
    await publisher.publish()
    publisher.#tick()
    return publisher
  }

  get bundle(): Bundle {
    return this.#bundle.document
  }

  /** The signed bundle, DSSE as JSON. */
  get bundleText(): string {
    return this.#bundle.text
  }

  /** The last publication. */
  get current(): Publication {
    if (this.#last === undefined) throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'no state was signed yet' })
    return this.#last
  }

  /** Calls `listener` with every publication from now on. */
  subscribe(listener: (publication: Publication) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Makes heads durable in the order in which states will list them. The next state lists them.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`: nobody may hand out a token under them. If they are in the store
   *   nevertheless, states list them.
   */
  async addHeads({ heads, tree }: HeadBatch): Promise<void> {
    await this.#settle()
    const batch = { rows: heads.map((signed) => ({ number: ++this.#heads, ...signed })), tree }
    try {
      await this.#options.sql.transact(batch.rows.map((row) => insertHead(row)))
    } catch (error) {
      this.#unsettled = batch
      if (!(await this.#settle())) throw error
      return
    }
    this.#takeIn(batch)
  }

  /** Finds out what became of the heads of an earlier batch: what the store holds must be listed. @returns whether it does */
  async #settle(): Promise<boolean> {
    const batch = this.#unsettled
    if (batch === undefined) return false
    const { number, head } = batch.rows[0] as NumberedBatch['rows'][number]
    const [found] = await this.#options.sql.query('SELECT hash FROM heads WHERE number = ?', [number])
    this.#unsettled = undefined
    if (found === undefined) return false
    if (!equalBytes(found['hash'] as Uint8Array, head.hash)) {
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'the store has another head under this number' })
    }
    this.#takeIn(batch)
    return true
  }

  #takeIn({ rows, tree }: NumberedBatch): void {
    const last = rows.length - 1
    this.#pending.push(...rows.map(({ number, head }, i) => ({ number, head, tree: i === last ? tree : undefined })))
  }

  /** Signs the bundle anew from the keys as they are, and a state that rests on it. Resolves when verifiers can see both. */
  async publishKeys(): Promise<Publication> {
    const refreshed = this.#publishing
      .catch(() => undefined)
      .then(() => this.#renewBundle())
    this.#publishing = refreshed
    await refreshed
    return this.publish()
  }

  /** Signs a state now. Resolves with a publication that holds all that was true when this was called. */
  publish(): Promise<Publication> {
    const published = this.#publishing.catch(() => undefined).then(() => this.#publish())
    this.#publishing = published
    return published
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#publishing.catch(() => undefined)
  }

  #tick(): void {
    const { headIntervalMs = 500, heartbeatMs = 4_500, clock } = this.#options
    this.#timer = setTimeout(() => {
      const age = clock.now() - this.current.timeMs
      const old = clock.now() / 1_000 - this.#bundle.document.issued > Math.min(bundleRefreshS, this.#options.lifetimeS / 2)
      const work = old ? this.publishKeys() : this.#pending.length > 0 || age >= heartbeatMs ? this.publish() : undefined
      // A failed heartbeat is tried again by the next tick; readiness tells that the state grows old.
      void Promise.resolve(work)
        .catch(() => undefined)
        .finally(() => {
          if (!this.#closed) this.#tick()
        })
    }, headIntervalMs)
    this.#timer.unref()
  }

  async #renewBundle(): Promise<void> {
    this.#bundle = await makeBundle(this.#options, this.#bundle.document.sequence)
    this.#bundleIsNew = true
  }

  async #publish(): Promise<Publication> {
    const { sql, revocations } = this.#options
    // Never a state by a key that verifiers do not know yet.
    if (this.#feedKey() === undefined) await this.#renewBundle()
    const taken = this.#nextHeads()
    const { state, unlisted } = this.#nextState(taken)
    const position: ChainPosition = {
      seq: state.seq,
      timeMs: state.timeMs,
      head: taken.at(-1)?.number ?? this.#position.head,
      chain: state.headChain,
    }
    // The number is used up with the signature, whatever becomes of it.
    Object.assign(this.#position, { seq: state.seq, timeMs: state.timeMs })
    const text = formatEnvelope(await signState(state, await this.#feedSigner()))
    const isBase = state.timeMs - this.#lastBaseMs >= baseIntervalMs
    await sql.transact([
      writeMetaStatement('state-position', formatPosition(position)),
      { sql: 'DELETE FROM heads WHERE number = ?', each: unlisted.map((number) => [number]) },
      ...(isBase ? baseStatements({ ...position, epoch: state.epoch, envelope: text }) : []),
    ])
    if (isBase) this.#lastBaseMs = state.timeMs
    Object.assign(this.#position, position)
    for (const { head, tree } of taken) if (tree !== undefined) this.#listed.set(head.origin, tree)
    this.#pending = this.#pending.slice(taken.length)
    const publication: Publication = {
      seq: state.seq,
      timeMs: state.timeMs,
      state: text,
      bundle: this.#bundleIsNew ? this.#bundle.text : undefined,
      revocations: revocations.since(this.#confirmedEpoch).slice(0, state.epoch - this.#confirmedEpoch),
      epoch: state.epoch,
      heads: state.heads,
      head: position.head,
    }
    this.#confirmedEpoch = state.epoch
    this.#bundleIsNew = false
    this.#last = publication
    for (const listener of this.#listeners) listener(publication)
    return publication
  }

  /** The heads that the next state lists: as many as fit, whole batches. */
  #nextHeads(): readonly PendingHead[] {
    if (this.#pending.length <= stateHeads) return this.#pending
    const isCut = this.#pending[stateHeads - 1]?.tree === undefined && this.#pending[stateHeads]?.tree !== undefined
    return this.#pending.slice(0, isCut ? stateHeads - 1 : stateHeads)
  }

  #nextState(taken: readonly PendingHead[]): { readonly state: State; readonly unlisted: readonly number[] } {
    const { td, clock, revocations } = this.#options
    const timeMs = Math.max(clock.now(), this.#position.timeMs)
    const listed = new Map(this.#listed)
    for (const { head, tree } of taken) if (tree !== undefined) listed.set(head.origin, tree)
    const logs = this.#options.logs(listed)
    // After a restart there may be heads of a log that was closed meanwhile: no state can list them any more.
    const canList = ({ head }: PendingHead): boolean => head.end <= (logs.get(head.origin)?.size ?? -1)
    const heads = taken.filter(canList).map(({ head }) => head)
    const state: State = {
      td,
      // Numbers follow the clock, so that a restored backup does not hand out a number that verifiers saw already.
      seq: Math.max(this.#position.seq + 1, timeMs),
      timeMs,
      bundle: { sequence: this.#bundle.document.sequence, sha256: this.#bundle.sha256 },
      epoch: revocations.epoch,
      revocations: revocations.chain,
      policies: new Map(),
      logs,
      heads,
      headChain: heads.reduce((chain, head) => chainHead(chain, head), this.#position.chain),
    }
    return { state, unlisted: taken.filter((head) => !canList(head)).map(({ number }) => number) }
  }

  /** The newest active feed key that the bundle lists. */
  #feedKey(): HeldKey | undefined {
    const known = new Set(this.#bundle.document.keys.map(({ key }) => key.kid))
    const active = ({ record }: HeldKey): boolean => record.use === 'qip-feed' && record.state === 'active'
    return this.#options.keys.list().findLast((held) => active(held) && known.has(held.record.key.kid))
  }

  async #feedSigner(): Promise<Signer> {
    const held = this.#feedKey()
    if (held === undefined) throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'no feed key is active' })
    return this.#options.keys.signer(held.record.key.kid)
  }
}

interface Restored {
  readonly position: ChainPosition
  readonly pending: PendingHead[]
  readonly heads: number
  readonly bundle: SignedBundle
}

async function restore(options: PublisherOptions): Promise<Restored> {
  const { sql } = options
  const stored = await readMeta(sql, 'state-position')
  const position = stored === undefined ? { seq: 0, timeMs: 0, head: 0, chain: headChainStart } : parsePosition(stored)
  const pending = (await readHeads(sql, position.head)).map((row) => ({ ...row, tree: undefined }))
  return {
    position,
    pending,
    heads: pending.at(-1)?.number ?? position.head,
    bundle: await makeBundle(options, await lastBundleSequence(sql)),
  }
}

function insertHead({ number, head, staple }: { number: number } & SignedHead): SqlStatement {
  // Encoding first checks the record: what cannot be listed must not be stored.
  encodeHead(head)
  return {
    sql: 'INSERT INTO heads (number, origin, start_index, end_index, hash, exp, staple) VALUES (?, ?, ?, ?, ?, ?, ?)',
    params: [number, head.origin, head.start, head.end, head.hash, head.exp, staple],
  }
}

function formatPosition({ seq, timeMs, head, chain }: ChainPosition): string {
  return JSON.stringify([seq, timeMs, head, base64url(chain)])
}

function parsePosition(text: string): ChainPosition {
  const [seq, timeMs, head, chain] = parseJson(text) as [number, number, number, string]
  return { seq, timeMs, head, chain: parseBase64url(chain) }
}
