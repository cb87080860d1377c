import { type Clock, isQipError, limits, type Random } from '@quantum-ip/base'
import { coverBatch, type SubtreeProver } from '@quantum-ip/log'
import { type KeySig, signJwtToken } from '@quantum-ip/token'
import type { Signer } from '@quantum-ip/crypto'
import type { IssuanceRecords, KeepRecord } from '../records/issuance-records.ts'
import { AuthorityError } from '../authority-errors.ts'
import type { SignedHead } from '../state/head-rows.ts'
import type { Publisher } from '../state/publisher.ts'
import type { HighWater } from '../store/high-water.ts'
import { draftTokens, type TokenDraft } from './draft.ts'
import { ExpiryWindow } from './expiry-window.ts'
import { FewAtOnce } from './few-at-once.ts'
import { formatToken, signaturesOf } from './format-token.ts'
import type { IssuedForm, TokenOrder } from './token-order.ts'
import { signHead, type TokenLog } from './token-log.ts'

/** Tokens as they are handed out. */
export interface IssuedTokens {
  readonly tokens: readonly string[]
  /** The signed heads that the tokens are under, each a `Quantum-IP-Head` value. Empty for JWTs. */
  readonly heads: readonly string[]
  readonly expiresS: number
}

/** What an issuer tells about a batch that it signed. */
export interface IssuedBatch {
  readonly origin: string
  readonly tokens: number
  /** How many of each form. */
  readonly forms: ReadonlyMap<IssuedForm, number>
  readonly signatures: number
  readonly durationMs: number
}

/** How an issuer works. */
export interface IssuerOptions {
  readonly clock: Clock
  readonly random: Random
  readonly publisher: Pick<Publisher, 'addHeads'>
  readonly highWater: HighWater
  /** Keeps what was issued, sealed. */
  readonly records?: IssuanceRecords | undefined
  /** The key that signs JWT tokens now. */
  readonly jwtSigner: () => Promise<Signer>
  /** Whether the order may still be filled: asked again when its batch forms. */
  readonly admits: (order: TokenOrder) => boolean
  /** Keeps what a reference stands for, durably, and returns the reference. */
  readonly refer: (
    tokens: readonly { readonly token: string; readonly expiresS: number }[],
    keyId: number,
  ) => Promise<readonly string[]>
  /** Told of each batch. */
  readonly onBatch?: (batch: IssuedBatch) => void
  /** Told when the log takes nothing more: it has another writer, or is no extension of itself. */
  readonly onLogLost?: (log: TokenLog) => void
  readonly batchMax?: number
  readonly batchIntervalMs?: number
  /** How long orders that can wait do so, to share a batch. Default 1,000 ms. */
  readonly patienceMs?: number
  /** Characters of a token that is handed out. Default 2,048. */
  readonly tokenCharsMax?: number
}

interface Job {
  readonly order: TokenOrder
  readonly queuedMs: number
  readonly resolve: (issued: IssuedTokens) => void
  readonly reject: (error: unknown) => void
}

/** A token on its way, with the order that it fills. */
interface Draft extends TokenDraft {
  readonly job: Job
}

const queueTokensMax = 65_536
/** So many tokens are worth a head of their own: their batch does not wait for the interval. */
const worthwhileTokens = 32

/**
 * Issues tokens in batches: what is waiting when the signer is free becomes one batch, under one signature or two.
 *
 * Invariant 1, in this order: entries durable, high-water mark raised, subtree signed and the signature checked, head
 * durable, reply. A batch begins at once after idleness, or when 32 tokens wait; else no sooner than `batchIntervalMs` after the
 * last one began. Orders that can wait do so for up to a second, to share a batch.
 */
export class Issuer {
  readonly #options: IssuerOptions
  readonly #batchMax: number
  readonly #intervalMs: number
  #writing: Writing
  // JWTs are signed one by one: as many at once as the pool has threads.
  readonly #signing = new FewAtOnce(4)
  #queue: Job[] = []
  #queued = 0
  #began = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #closed = false

  constructor(log: TokenLog, options: IssuerOptions) {
    this.#options = options
    this.#batchMax = options.batchMax ?? limits.batchTokensMax
    this.#intervalMs = options.batchIntervalMs ?? limits.batchIntervalMs
    this.#writing = writingOn(log)
  }

  get log(): TokenLog {
    return this.#writing.log
  }

  /** Tokens that wait. */
  get backlog(): number {
    return this.#queued
  }

  /**
   * Fills an order.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_OVERLOADED` if too many wait · `QIP_AUTHORITY_SESSION_REFUSED` if the session was revoked
   *   meanwhile · `QIP_AUTHORITY_STORE_UNAVAILABLE`
   */
  issue(order: TokenOrder): Promise<IssuedTokens> {
    if (this.#closed)
      throw new AuthorityError('QIP_AUTHORITY_OVERLOADED', { what: 'the authority is stopping' })
    if (this.#queued + order.count > queueTokensMax) {
      throw new AuthorityError('QIP_AUTHORITY_OVERLOADED', {
        what: `${queueTokensMax} tokens wait to be issued`,
      })
    }
    if (order.count > this.#batchMax) {
      throw new AuthorityError('QIP_AUTHORITY_TOKEN_REFUSED', {
        reason: `more than ${this.#batchMax} tokens at once`,
      })
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ order, queuedMs: this.#options.clock.now(), resolve, reject })
      this.#queued += order.count
      this.#schedule()
    })
  }

  /** Goes over to another log, after the batch that is running. What waits is issued on the new one. */
  async use(log: TokenLog): Promise<void> {
    // Log and expiries change hands together, and a batch takes both when it forms.
    this.#writing = writingOn(log)
    await this.#running
  }

  /** Issues what waits, then takes nothing more. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#queue.length > 0 || this.#running !== undefined) {
      this.#start()
      await this.#running
    }
  }

  #schedule(): void {
    if (this.#running !== undefined || this.#queue.length === 0) return
    clearTimeout(this.#timer)
    const now = this.#options.clock.now()
    const waitMs = this.#waitMs(now)
    if (waitMs <= 0) this.#start()
    else this.#timer = setTimeout(() => this.#start(), waitMs)
  }

  /** The interval is there so that heads do not outnumber tokens; patience, so that refreshed tokens share them. */
  #waitMs(now: number): number {
    let urgent = 0
    for (const { order } of this.#queue) if (!order.patient) urgent += order.count
    if (urgent >= worthwhileTokens || this.#queued >= this.#batchMax) return 0
    const oldest = this.#queue[0]?.queuedMs ?? now
    return Math.max(
      this.#began + this.#intervalMs - now,
      urgent > 0 ? 0 : oldest + (this.#options.patienceMs ?? 1_000) - now,
    )
  }

  #start(): void {
    if (this.#running !== undefined || this.#queue.length === 0) return
    clearTimeout(this.#timer)
    this.#began = this.#options.clock.now()
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.#schedule()
    })
  }

  async #run(): Promise<void> {
    // One turn of the event loop, so that all requests that arrived together share the batch.
    await new Promise((resolve) => setImmediate(resolve))
    const writing = this.#writing
    const jobs = this.#take()
    if (jobs.length === 0) return
    try {
      await this.#issue(writing, jobs)
    } catch (error) {
      const isLost = lostCodes.some((code) => isQipError(error, code))
      const what = 'the token log is being replaced'
      const told = isLost ? new AuthorityError('QIP_AUTHORITY_OVERLOADED', { what }, { cause: error }) : error
      for (const { reject } of jobs) reject(told)
      if (isLost) this.#options.onLogLost?.(writing.log)
    }
  }

  /** The jobs of the next batch, whole ones, in the order in which they came. */
  #take(): Job[] {
    const jobs: Job[] = []
    let tokens = 0
    let used = 0
    for (const job of this.#queue) {
      if (tokens + job.order.count > this.#batchMax) break
      used++
      this.#queued -= job.order.count
      // Revoked while it waited: it costs nothing more.
      if (!this.#options.admits(job.order)) {
        job.reject(new AuthorityError('QIP_AUTHORITY_SESSION_REFUSED', { reason: 'it was revoked' }))
        continue
      }
      jobs.push(job)
      tokens += job.order.count
    }
    this.#queue = this.#queue.slice(used)
    return jobs
  }

  async #issue({ log, expiries }: Writing, jobs: readonly Job[]): Promise<void> {
    const { highWater, publisher, onBatch } = this.#options
    const startedMs = performance.now()
    const first = log.log.head().size
    const drafts = this.#drafts(log, jobs, first)
    if (drafts.length === 0) return
    const sealing = this.#seal(log, drafts)
    const { start, end, root } = await log.log.append(drafts.map(({ entry }) => entry))
    // There is one writer: only a batch of its own whose outcome was unknown may have come before this one.
    if (start < first) throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'a log went back' })
    expiries.push(
      start,
      drafts.map(({ claims }) => claims.exp),
    )
    await highWater.raise({ origin: log.origin, size: end, hash: root })
    const subtrees = coverBatch(start, end)
    const nowS = Math.floor(this.#options.clock.now() / 1_000)
    const heads = await Promise.all(
      subtrees.map((subtree) => signHead(log, subtree, expiries.latest(subtree, nowS))),
    )
    // Two transactions at once, which the store makes one commit of.
    await Promise.all([
      publisher.addHeads({ heads, tree: { size: end, hash: root } }),
      sealing?.then((keep) => keep(start)),
    ])
    await this.#reply(log, { drafts, first, start, heads })
    onBatch?.({
      origin: log.origin,
      tokens: drafts.length,
      forms: formsOf(drafts),
      signatures: heads.length,
      durationMs: performance.now() - startedMs,
    })
  }

  /** Begins to seal what the hashes of a batch open to, while its entries are written. */
  #seal({ origin }: TokenLog, drafts: readonly Draft[]): Promise<KeepRecord> | undefined {
    const tokens = drafts.map(({ job, claims }) => ({ order: job.order, claims }))
    const sealing = this.#options.records?.seal(origin, tokens)
    sealing?.catch(() => undefined)
    return sealing
  }

  /** An order that makes no token (too many claims, ended while it waited) fails alone. */
  #drafts(log: TokenLog, jobs: readonly Job[], first: number): readonly Draft[] {
    const { clock, random } = this.#options
    const nowS = Math.floor(clock.now() / 1_000)
    const drafts: Draft[] = []
    for (const job of jobs) {
      try {
        const place = { log: log.number, first: first + drafts.length, nowS }
        for (const draft of draftTokens(job.order, place, random)) drafts.push({ job, ...draft })
      } catch (error) {
        job.reject(error)
      }
    }
    return drafts
  }

  async #reply(log: TokenLog, batch: Batch): Promise<void> {
    const provers = await Promise.all(batch.heads.map(({ head }) => log.log.proveSubtree(head)))
    const parts: BatchParts = {
      ...batch,
      provers,
      sigs: batch.heads.map(({ staple }) => signaturesOf(staple)),
    }
    let at = 0
    const replies: Promise<void>[] = []
    while (at < batch.drafts.length) {
      const { job } = batch.drafts[at] as Draft
      // A JWT names its index. One that landed elsewhere says the wrong one: it is never handed out.
      if (job.order.form === 'jwt' && batch.start !== batch.first) job.reject(landedElsewhere())
      else replies.push(this.#fill(log, job, { parts, at }))
      at += job.order.count
    }
    await Promise.all(replies)
  }

  async #fill(
    log: TokenLog,
    job: Job,
    from: { readonly parts: BatchParts; readonly at: number },
  ): Promise<void> {
    try {
      job.resolve(await this.#tokensOf(log, job.order, from))
    } catch (error) {
      job.reject(error)
    }
  }

  async #tokensOf(
    log: TokenLog,
    order: TokenOrder,
    { parts, at }: { readonly parts: BatchParts; readonly at: number },
  ): Promise<IssuedTokens> {
    const drafts = parts.drafts.slice(at, at + order.count)
    const expiresS = (drafts[0] as Draft).claims.exp
    if (order.form === 'jwt') {
      const signer = await this.#options.jwtSigner()
      const sign = ({ bytes }: Draft): Promise<string> => this.#signing.run(() => signJwtToken(bytes, signer))
      const tokens = await Promise.all(drafts.map(sign))
      return { tokens, heads: [], expiresS }
    }
    const used = new Set<number>()
    const tokens = drafts.map(({ bytes }, i) => {
      const index = parts.start + at + i
      const which = parts.provers.findIndex(({ start, end }) => index >= start && index < end)
      used.add(which)
      return formatToken(log, {
        claimsBytes: bytes,
        index,
        prover: parts.provers[which] as SubtreeProver,
        sigs: order.form === 'standalone' ? parts.sigs[which] : undefined,
        charsMax:
          order.form === 'standalone'
            ? limits.tokenCharsMax
            : (this.#options.tokenCharsMax ?? limits.tokenCharsIssued),
      })
    })
    const heads = [...used].map((which) => (parts.heads[which] as SignedHead).staple)
    if (order.form !== 'reference') return { tokens, heads, expiresS }
    const references = await this.#options.refer(
      tokens.map((token) => ({ token, expiresS })),
      log.keyId,
    )
    return { tokens: references, heads, expiresS }
  }
}

/** The log that is written, and the expiries of its last leaves. */
interface Writing {
  readonly log: TokenLog
  readonly expiries: ExpiryWindow
}

function writingOn(log: TokenLog): Writing {
  return { log, expiries: new ExpiryWindow(log.log.head().size) }
}

/** After these nothing can be appended to the log any more. */
const lostCodes = ['QIP_LOG_OTHER_WRITER', 'QIP_LOG_NOT_AN_EXTENSION', 'QIP_LOG_CORRUPT', 'QIP_LOG_MISSING']

function landedElsewhere(): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_OVERLOADED', { what: 'an earlier batch had to be settled first' })
}

function formsOf(drafts: readonly Draft[]): ReadonlyMap<IssuedForm, number> {
  const forms = new Map<IssuedForm, number>()
  for (const { job } of drafts) forms.set(job.order.form, (forms.get(job.order.form) ?? 0) + 1)
  return forms
}

interface Batch {
  readonly drafts: readonly Draft[]
  /** Where the batch was to begin, and where it does. */
  readonly first: number
  readonly start: number
  readonly heads: readonly SignedHead[]
}

interface BatchParts extends Batch {
  readonly provers: readonly SubtreeProver[]
  readonly sigs: readonly (readonly KeySig[])[]
}
