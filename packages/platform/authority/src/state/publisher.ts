import { base64url, type Clock, parseBase64url, parseJson, parseUtf8, type TrustDomain } from '@quantum-ip/base'
import { type Envelope, formatEnvelope, parseEnvelope, sha256, type Signer } from '@quantum-ip/crypto'
import {
  type Bundle,
  chainHead,
  encodeHead,
  type HeadRecord,
  headChainStart,
  type LogHead,
  parseBundle,
  type RevocationRecord,
  signBundle,
  signState,
  type State,
  trustLimits,
} from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { readMeta, writeMetaStatement } from '../store/open-store.ts'
import type { Sql, SqlStatement } from '../store/sql.ts'
import type { Revocations } from './revocations.ts'

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
  readonly heads: readonly HeadRecord[]
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
  readonly revocations: Revocations
  readonly clock: Clock
  /** Signs bundles: a bundle key of the root document. */
  readonly bundleSigner: Signer
  readonly rootSequence: number
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

interface ChainPosition {
  seq: number
  timeMs: number
  head: number
  chain: Uint8Array
}

const baseIntervalMs = 60_000
const bundleLifetimeS = 7 * 24 * 3_600
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
  #bundle: { readonly document: Bundle; readonly text: string; readonly sha256: Uint8Array }
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

  /** Makes heads durable in the order in which states will list them. The next state lists them. */
  async addHeads({ heads, tree }: HeadBatch): Promise<void> {
    const numbered = heads.map(({ head, staple }) => ({ number: ++this.#heads, head, staple }))
    await this.#options.sql.transact(numbered.map((row) => insertHead(row)))
    const last = numbered.length - 1
    this.#pending.push(...numbered.map(({ number, head }, i) => ({ number, head, tree: i === last ? tree : undefined })))
  }

  /** Signs the bundle anew from the keys as they are, and a state that rests on it. Resolves when verifiers can see both. */
  async publishKeys(): Promise<Publication> {
    const refreshed = this.#publishing
      .catch(() => undefined)
      .then(async () => {
        this.#bundle = await makeBundle(this.#options, this.#bundle.document.sequence)
        this.#bundleIsNew = true
      })
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
      const old = clock.now() / 1_000 - this.#bundle.document.issued > bundleRefreshS
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

  async #publish(): Promise<Publication> {
    const { sql, revocations } = this.#options
    const taken = this.#pending.slice(0, wholeBatches(this.#pending, trustLimits.stateHeadsMax))
    const heads = taken.map(({ head }) => head)
    const listed = new Map(this.#listed)
    for (const { head, tree } of taken) if (tree !== undefined) listed.set(head.origin, tree)
    const state = this.#nextState(heads, listed)
    const position: ChainPosition = {
      seq: state.seq,
      timeMs: state.timeMs,
      head: taken.at(-1)?.number ?? this.#position.head,
      chain: state.headChain,
    }
    const text = formatEnvelope(await signState(state, await this.#feedSigner()))
    const isBase = state.timeMs - this.#lastBaseMs >= baseIntervalMs
    await sql.transact([
      writeMetaStatement('state-position', formatPosition(position)),
      ...(isBase ? baseStatements(position, state.epoch, text) : []),
    ])
    if (isBase) this.#lastBaseMs = state.timeMs
    Object.assign(this.#position, position)
    for (const [origin, tree] of listed) this.#listed.set(origin, tree)
    this.#pending = this.#pending.slice(taken.length)
    const publication: Publication = {
      seq: state.seq,
      timeMs: state.timeMs,
      state: text,
      bundle: this.#bundleIsNew ? this.#bundle.text : undefined,
      revocations: revocations.since(this.#confirmedEpoch).slice(0, state.epoch - this.#confirmedEpoch),
      heads,
    }
    this.#confirmedEpoch = state.epoch
    this.#bundleIsNew = false
    this.#last = publication
    for (const listener of this.#listeners) listener(publication)
    return publication
  }

  #nextState(heads: readonly HeadRecord[], listed: ReadonlyMap<string, LogHead>): State {
    const { td, clock, revocations, logs } = this.#options
    const timeMs = Math.max(clock.now(), this.#position.timeMs)
    return {
      td,
      // Numbers follow the clock, so that a restored backup does not hand out a number that verifiers saw already.
      seq: Math.max(this.#position.seq + 1, timeMs),
      timeMs,
      bundle: { sequence: this.#bundle.document.sequence, sha256: this.#bundle.sha256 },
      epoch: revocations.epoch,
      revocations: revocations.chain,
      policies: new Map(),
      logs: logs(listed),
      heads,
      headChain: heads.reduce((chain, head) => chainHead(chain, head), this.#position.chain),
    }
  }

  async #feedSigner(): Promise<Signer> {
    const held = this.#options.keys.find('qip-feed', 'active')
    if (held === undefined) throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'no feed key is active' })
    return this.#options.keys.signer(held.record.key.kid)
  }
}

/** How many heads a state takes: not a part of a batch, since the log's size goes up by whole batches. */
function wholeBatches(pending: readonly PendingHead[], most: number): number {
  if (pending.length <= most) return pending.length
  for (let count = most; count > 0; count--) if (pending[count - 1]?.tree !== undefined) return count
  return most
}

interface Restored {
  readonly position: ChainPosition
  readonly pending: PendingHead[]
  readonly heads: number
  readonly bundle: { readonly document: Bundle; readonly text: string; readonly sha256: Uint8Array }
}

async function restore(options: PublisherOptions): Promise<Restored> {
  const { sql } = options
  const stored = await readMeta(sql, 'state-position')
  const position = stored === undefined ? { seq: 0, timeMs: 0, head: 0, chain: headChainStart } : parsePosition(stored)
  const pending = (await readHeads(sql, position.head)).map((row) => ({ ...row, tree: undefined }))
  const [last] = await sql.query("SELECT envelope FROM documents WHERE kind = 'bundle' ORDER BY sequence DESC LIMIT 1")
  const sequence = last === undefined ? 0 : readBundle(last['envelope'] as string).sequence
  return {
    position,
    pending,
    heads: pending.at(-1)?.number ?? position.head,
    bundle: await makeBundle(options, sequence),
  }
}

function readBundle(text: string): Bundle {
  return parseBundle(parseEnvelope(text).payload, { composites: true })
}

async function makeBundle(options: PublisherOptions, previous: number): Promise<Restored['bundle']> {
  const { td, clock, keys, bundleSigner, rootSequence, sql } = options
  const nowS = Math.floor(clock.now() / 1_000)
  const document: Bundle = {
    td,
    sequence: Math.max(previous + 1, nowS),
    refreshHintS: 60,
    keys: keys.list().map(({ record }) => record),
    rootSequence,
    issued: nowS,
    expires: nowS + bundleLifetimeS,
  }
  const envelope: Envelope = await signBundle(document, [bundleSigner])
  const text = formatEnvelope(envelope)
  await sql.transact([
    { sql: "DELETE FROM documents WHERE kind = 'bundle'" },
    { sql: "INSERT INTO documents (kind, sequence, envelope) VALUES ('bundle', ?, ?)", params: [document.sequence, text] },
  ])
  return { document, text, sha256: sha256(envelope.payload) }
}

/** Heads after number `after`, in order. */
export async function readHeads(
  sql: Sql,
  after: number,
): Promise<{ readonly number: number; readonly head: HeadRecord }[]> {
  const rows = await sql.query('SELECT * FROM heads WHERE number > ? ORDER BY number', [after])
  return rows.map((row) => ({
    number: row['number'] as number,
    head: {
      origin: row['origin'] as string,
      start: row['start_index'] as number,
      end: row['end_index'] as number,
      hash: row['hash'] as Uint8Array,
      exp: row['exp'] as number,
    },
  }))
}

function insertHead({ number, head, staple }: { number: number } & SignedHead): SqlStatement {
  // Encoding first checks the record: what cannot be listed must not be stored.
  encodeHead(head)
  return {
    sql: 'INSERT INTO heads (number, origin, start_index, end_index, hash, exp, staple) VALUES (?, ?, ?, ?, ?, ?, ?)',
    params: [number, head.origin, head.start, head.end, head.hash, head.exp, staple],
  }
}

/** Keeps a state to start from, and forgets states and heads from before every verifier's start. */
function baseStatements(position: ChainPosition, epoch: number, envelope: string): readonly SqlStatement[] {
  const horizon = position.timeMs - 2 * 3_600_000
  return [
    {
      sql: 'INSERT INTO base_states (seq, time_ms, head, epoch, envelope) VALUES (?, ?, ?, ?, ?)',
      params: [position.seq, position.timeMs, position.head, epoch, envelope],
    },
    {
      sql: 'DELETE FROM base_states WHERE time_ms < (SELECT MAX(time_ms) FROM base_states WHERE time_ms < ?)',
      params: [horizon],
    },
    {
      sql: 'DELETE FROM heads WHERE number <= (SELECT MIN(head) FROM base_states) AND exp < ?',
      params: [Math.floor(horizon / 1_000)],
    },
  ]
}

function formatPosition({ seq, timeMs, head, chain }: ChainPosition): string {
  return JSON.stringify([seq, timeMs, head, base64url(chain)])
}

function parsePosition(text: string): ChainPosition {
  const [seq, timeMs, head, chain] = parseJson(text) as [number, number, number, string]
  return { seq, timeMs, head, chain: parseBase64url(chain) }
}

/** A signed state in the past and all that followed it: what a verifier starts from. */
export interface History {
  readonly base: string
  readonly heads: readonly HeadRecord[]
  readonly revocations: readonly RevocationRecord[]
  readonly state: string
  readonly bundle: string
}

/**
 * What a verifier needs that starts now and must know every head under which a token may still be valid: the newest signed state
 * that is at least `lifetimeMs` old (or the oldest there is), and the records since, up to the current state.
 */
export async function readHistory(
  from: { readonly sql: Sql; readonly publisher: Publisher; readonly revocations: Revocations },
  lifetimeMs: number,
): Promise<History> {
  const { sql, publisher, revocations } = from
  const current = publisher.current
  const position = parsePosition((await readMeta(sql, 'state-position')) ?? '')
  if (position.seq !== current.seq) return readHistory(from, lifetimeMs)
  const [base] = await sql.query(
    `SELECT head, epoch, envelope FROM base_states WHERE time_ms <= ? OR seq = (SELECT MIN(seq) FROM base_states)
     ORDER BY seq DESC LIMIT 1`,
    [current.timeMs - lifetimeMs],
  )
  if (base === undefined) throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'there is no state to start from' })
  const heads = (await readHeads(sql, base['head'] as number))
    .filter(({ number }) => number <= position.head)
    .map(({ head }) => head)
  const payload = parseJson(parseUtf8(parseEnvelope(current.state).payload)) as { epoch: number }
  return {
    base: base['envelope'] as string,
    heads,
    revocations: revocations.list().slice(0, payload.epoch),
    state: current.state,
    bundle: publisher.bundleText,
  }
}
