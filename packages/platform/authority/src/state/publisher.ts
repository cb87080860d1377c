import type { Clock, TrustDomain } from '@quantum-ip/base'
import { formatEnvelope, type Signer } from '@quantum-ip/crypto'
import {
  type Bundle,
  chainHead,
  feedKeys,
  type HeadRecord,
  headChainStart,
  type LogHead,
  type PolicyVersion,
  type RevocationRecord,
  signState,
  type State,
} from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { HeldKey, KeyRing } from '../keys/key-ring.ts'
import type { RootInForce } from '../keys/root-chain.ts'
import { moveMetaStatement, readMeta } from '../store/meta.ts'
import type { Sql, SqlStatement } from '../store/sql.ts'
import { baseStatements } from './history.ts'
import { type HeadBatch, type PendingHead, PendingHeads } from './pending-heads.ts'
import { listedStatement, publicationStatements, readListed } from './publications.ts'
import type { Revocations } from './revocations.ts'
import { type ChainPosition, formatPosition, parsePosition } from './state-position.ts'
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

/** What a publisher works with. */
export interface PublisherOptions {
  readonly td: TrustDomain
  readonly sql: Sql
  readonly keys: KeyRing
  readonly revocations: Pick<Revocations, 'epoch' | 'chain' | 'since'>
  readonly clock: Clock
  /** The root document in force, and who signs bundles under it. */
  readonly root: () => RootInForce
  /** The newest rollout of each policy. */
  readonly policies: () => ReadonlyMap<string, PolicyVersion>
  /** Seconds that a bundle is valid: at most seven days. */
  readonly lifetimeS: number
  /**
   * Every open log with its size and root; asked whenever a state is made. `listed` are the token logs as far as their heads were
   * listed. A state must not show a token log beyond that: to a verifier, a head that is not listed below the log's size
   * does not exist.
   */
  readonly logs: (listed: ReadonlyMap<string, LogHead>) => ReadonlyMap<string, LogHead>
  /**
   * Other instances issue, too, and pass on what is published here. Called to have their keys as they are now: what they issue is
   * listed as issued by a key in use.
   */
  readonly shared?: (() => Promise<void>) | undefined
  /** Milliseconds between states while heads appear. Default 500. */
  readonly headIntervalMs?: number
  /** Milliseconds after which a state is signed though nothing changed. Default 4,500. */
  readonly heartbeatMs?: number
}

/** A state that was signed, and what becomes of the publisher once it is kept. */
interface SignedState {
  readonly state: State
  readonly text: string
  readonly position: ChainPosition
  readonly taken: readonly PendingHead[]
}

const baseIntervalMs = 60_000
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
  /** The position as it stands in the store. INVARIANT: it only moves from there, so that two never publish side by side. */
  #stored: string | undefined
  readonly #listed = new Map<string, LogHead>()
  readonly #pending: PendingHeads
  /** A state of which nobody knows whether it is in the store. */
  #unsettledState: SignedState | undefined
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
    this.#stored = restored.stored
    this.#pending = restored.pending
    this.#bundle = restored.bundle
    for (const [origin, tree] of restored.listed) this.#listed.set(origin, tree)
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
    if (this.#last === undefined)
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'no state was signed yet' })
    return this.#last
  }

  /** Calls `listener` with every publication from now on. */
  subscribe(listener: (publication: Publication) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Makes heads durable in the order in which states will list them. The next state lists them. @throws as {@link PendingHeads.add} */
  addHeads(batch: HeadBatch): Promise<void> {
    return this.#pending.add(batch)
  }

  /** Signs the bundle anew from the keys as they are, and a state that rests on it. Resolves when verifiers can see both. */
  async publishKeys(): Promise<Publication> {
    const refreshed = this.#publishing
      .catch(() => undefined)
      // A state of before may be signed by a key that is not in the next bundle: it is shown before that, or never.
      .then(() => this.#settleState())
      .then(() => this.#renewBundle())
    this.#publishing = refreshed
    await refreshed
    return this.publish()
  }

  /**
   * Goes over to the next root document: its bundle is signed first, and `enter` is called at the moment at which that bundle takes the place
   * of the one before, so that nobody is given one of the two without the other. Resolves when verifiers can see both.
   */
  async changeRoot(next: RootInForce, enter: () => void): Promise<Publication> {
    const changed = this.#publishing
      .catch(() => undefined)
      .then(() => this.#settleState())
      .then(async () => {
        this.#bundle = await makeBundle({ ...this.#options, root: next }, this.#bundle.document.sequence)
        enter()
        this.#bundleIsNew = true
      })
    this.#publishing = changed
    await changed
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
    const { headIntervalMs = 500 } = this.#options
    this.#timer = setTimeout(() => {
      void this.#adopt().finally(() => this.#tickNow())
    }, headIntervalMs)
    this.#timer.unref()
  }

  /** What cannot be read now is taken in by the next tick. */
  async #adopt(): Promise<void> {
    const { shared } = this.#options
    if (shared === undefined) return
    const adopted = this.#publishing.catch(() => undefined).then(() => this.#pending.adopt(shared))
    this.#publishing = adopted
    await adopted.catch(() => undefined)
  }

  #tickNow(): void {
    if (this.#closed) return
    const { heartbeatMs = 4_500, clock } = this.#options
    const age = clock.now() - this.current.timeMs
    const old =
      clock.now() / 1_000 - this.#bundle.document.issued >
      Math.min(bundleRefreshS, this.#options.lifetimeS / 2)
    const work = old
      ? this.publishKeys()
      : !this.#pending.isEmpty || age >= heartbeatMs
        ? this.publish()
        : undefined
    // A failed heartbeat is tried again by the next tick; readiness tells that the state grows old.
    void Promise.resolve(work)
      .catch(() => undefined)
      .finally(() => {
        if (!this.#closed) this.#tick()
      })
  }

  async #renewBundle(): Promise<void> {
    const source = { ...this.#options, root: this.#options.root() }
    this.#bundle = await makeBundle(source, this.#bundle.document.sequence)
    this.#bundleIsNew = true
  }

  async #publish(): Promise<Publication> {
    const { sql } = this.#options
    await this.#settleState()
    // Never a state by a key that verifiers do not know yet.
    if (this.#feedKey() === undefined) await this.#renewBundle()
    const taken = this.#pending.next()
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
    const signed: SignedState = { state, text, position, taken }
    const isBase = state.timeMs - this.#lastBaseMs >= baseIntervalMs
    try {
      await sql.transact([
        moveMetaStatement('state-position', this.#stored, formatPosition(position)),
        { sql: 'DELETE FROM heads WHERE number = ?', each: unlisted.map((number) => [number]) },
        ...(isBase ? baseStatements({ ...position, epoch: state.epoch, envelope: text }) : []),
        ...this.#sharedStatements(signed),
      ])
    } catch (error) {
      this.#unsettledState = signed
      if (!(await this.#settleState())) throw error
      return this.current
    }
    return this.#show(signed)
  }

  #sharedStatements({ state, text, position, taken }: SignedState): readonly SqlStatement[] {
    if (this.#options.shared === undefined) return []
    const { seq, timeMs, head } = position
    const bundle = this.#bundleIsNew ? this.#bundle.text : undefined
    const publication = { seq, timeMs, head, epoch: state.epoch, state: text, bundle }
    const trees = new Map(
      taken.flatMap(({ head, tree }) => (tree === undefined ? [] : [[head.origin, tree]])),
    )
    return [...publicationStatements(publication), listedStatement(trees)]
  }

  /** Finds out what became of a state that could not be kept: if the store has it, it is the last one. @returns whether it has */
  async #settleState(): Promise<boolean> {
    const signed = this.#unsettledState
    if (signed === undefined) return false
    const stored = await readMeta(this.#options.sql, 'state-position')
    this.#unsettledState = undefined
    if (stored !== formatPosition(signed.position)) return false
    this.#show(signed)
    return true
  }

  /** Everybody may see a state that is kept. */
  #show({ state, text, position, taken }: SignedState): Publication {
    const { revocations } = this.#options
    // A first state to start from is kept with the first state of every process.
    if (state.timeMs - this.#lastBaseMs >= baseIntervalMs) this.#lastBaseMs = state.timeMs
    Object.assign(this.#position, position)
    this.#stored = formatPosition(position)
    for (const { head, tree } of taken) if (tree !== undefined) this.#listed.set(head.origin, tree)
    this.#pending.remove(taken.length)
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
      policies: this.#options.policies(),
      logs,
      heads,
      headChain: heads.reduce((chain, head) => chainHead(chain, head), this.#position.chain),
    }
    return { state, unlisted: taken.filter((head) => !canList(head)).map(({ number }) => number) }
  }

  /** The newest active feed key that the bundle lists as one whose states count. */
  #feedKey(): HeldKey | undefined {
    const known = new Set(feedKeys(this.#bundle.document).map(({ key }) => key.kid))
    return this.#options.keys
      .list()
      .findLast(
        ({ record }) => record.use === 'qip-feed' && record.state === 'active' && known.has(record.key.kid),
      )
  }

  async #feedSigner(): Promise<Signer> {
    const held = this.#feedKey()
    if (held === undefined)
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'no feed key is active' })
    return this.#options.keys.signer(held.record.key.kid)
  }
}

interface Restored {
  readonly stored: string | undefined
  readonly position: ChainPosition
  readonly pending: PendingHeads
  readonly bundle: SignedBundle
  readonly listed: ReadonlyMap<string, LogHead>
}

async function restore(options: PublisherOptions): Promise<Restored> {
  const { sql } = options
  const stored = await readMeta(sql, 'state-position')
  const position =
    stored === undefined ? { seq: 0, timeMs: 0, head: 0, chain: headChainStart } : parsePosition(stored)
  return {
    stored,
    position,
    pending: await PendingHeads.open(sql, position.head),
    listed: options.shared !== undefined ? await readListed(sql) : new Map(),
    bundle: await makeBundle({ ...options, root: options.root() }, await lastBundleSequence(sql)),
  }
}
