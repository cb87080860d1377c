import { limits, parseTrustDomain, type TrustDomain } from '@quantum-ip/base'
import type { PublicKey } from '@quantum-ip/crypto'
import type { Bundle } from './bundle.ts'
import { verifyRevocations } from './catch-up.ts'
import type { HeadRecord } from './head-record.ts'
import { isAcceptable, type KemKeyRecord, type SigningKeyRecord, type SigningUse } from './key-record.ts'
import { openEnvelope } from './lib/envelopes.ts'
import { checkLogsGrow, checkStateFollows } from './lib/forward.ts'
import { HeadTracker } from './lib/head-tracker.ts'
import { type BundleToHold, type Held, HeldKeys, isSame } from './lib/held-keys.ts'
import { formatSnapshot, parseSnapshot } from './lib/snapshot.ts'
import { isExpired } from './lib/times.ts'
import { trustLimits } from './payload-types.ts'
import type { RevocationCheck } from './revocation-check.ts'
import { RevocationIndex } from './revocation-index.ts'
import { revocationChainStart, type RevocationRecord } from './revocation-record.ts'
import type { RootDocument, RootPins } from './root-document.ts'
import { type LogHead, type PolicyVersion, type State, verifyState } from './state.ts'
import { TrustError } from './trust-errors.ts'
import type { Staleness, TrustListener, TrustView } from './trust-view.ts'
import type { EnvelopeInput } from './verified.ts'

/** What a {@link TrustStore} starts from. */
export interface TrustStoreOptions {
  readonly td: TrustDomain
  readonly pins: RootPins
  /** Take keys of composite algorithms, which are a draft. Default: they are passed over. */
  readonly composites?: boolean
  /** Heads held at once. Default 400,000: an hour of 100 heads a second. */
  readonly headsMax?: number
  /** Revocation records held, expired ones included: the chain needs them all. Default 250,000. */
  readonly revocationsMax?: number
}

/** A root document or bundle as it came, and the time. */
export interface DocumentToApply {
  readonly envelope: EnvelopeInput
  readonly timeMs: number
}

/** A root document as it came. */
export interface RootToApply extends DocumentToApply {
  /**
   * The bundle that rests on it. The two take effect at one moment, so that a change of bundle keys leaves no moment without a
   * bundle. One that is not good is passed over.
   */
  readonly bundle?: EnvelopeInput
}

/** A state as it came, with what it confirms. */
export interface StateToApply extends DocumentToApply {
  /** The revocation records since the epoch held, ascending; more on either side does no harm. */
  readonly revocations?: readonly RevocationRecord[]
  /** The heads that states between the one held and this one listed, in order; with or without this one's own. */
  readonly heads?: readonly HeadRecord[]
  /**
   * What to do where the state's heads do not follow on what is held and `heads` is absent: `accept` (default) takes the
   * state's own and counts older ones as unknown; `refuse` throws `QIP_TRUST_HEADS_MISSING`, so that they can be fetched.
   */
  readonly headGap?: 'accept' | 'refuse'
}

/**
 * What a verifier knows of one trust domain, built from signed documents alone and never backwards.
 *
 * Pure: no clock, disk or network. Documents are applied one after the other in the order in which they are handed in; each
 * takes effect as a whole or not at all. Look-ups are synchronous.
 */
export class TrustStore implements TrustView {
  readonly td: TrustDomain
  readonly #options: TrustStoreOptions
  readonly #listeners = new Set<TrustListener>()
  readonly #keys: HeldKeys
  #state: Held<State> | undefined
  /** Every log as it was last listed. */
  #logs = new Map<string, LogHead>()
  readonly #records: RevocationRecord[] = []
  readonly #revocations = new RevocationIndex()
  readonly #heads: HeadTracker
  #last: Promise<unknown> = Promise.resolve()

  /** @throws {BaseError} `QIP_BASE_SERVICE_ID_MALFORMED` if `td` is not a trust domain. */
  constructor(options: TrustStoreOptions) {
    this.td = parseTrustDomain(options.td)
    this.#options = options
    this.#keys = new HeldKeys({ ...options, composites: options.composites ?? false })
    this.#heads = new HeadTracker(options.headsMax ?? trustLimits.heldHeadsMax)
  }

  /** Reports to `listener` until the function returned is called. */
  subscribe(listener: TrustListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The newest root document. */
  get root(): RootDocument | undefined {
    return this.#keys.roots.at(-1)?.document
  }

  get bundle(): Bundle | undefined {
    return this.#keys.bundle?.document
  }

  get state(): State | undefined {
    return this.#state?.document
  }

  get epoch(): number {
    return this.#state?.document.epoch ?? 0
  }

  get revocations(): RevocationCheck {
    return this.#revocations
  }

  /**
   * Applies a root document: the pinned one first, then its successors in order. A bundle whose signers the new document no
   * longer names is out of force until it is signed anew: hand that one in with it. Returns whether the document was new.
   *
   * @throws {TrustError} as {@link verifyRootDocument}
   */
  applyRoot(input: RootToApply): Promise<boolean> {
    return this.#inTurn(() => this.#applyRoot(input))
  }

  /**
   * Applies a bundle. Returns whether it was new.
   *
   * @throws {TrustError} as {@link verifyBundle} · `QIP_TRUST_DOCUMENT_MISSING` without a root document ·
   *   `QIP_TRUST_WENT_BACKWARDS` · `QIP_TRUST_SEQUENCE_REUSED` · `QIP_TRUST_KEY_CHANGED`
   */
  applyBundle(input: DocumentToApply): Promise<boolean> {
    return this.#inTurn(() => this.#applyBundle(input))
  }

  /**
   * Applies a state with the records that it confirms. Returns whether it was new.
   *
   * Revocations must be complete, or the state is refused: to know that something is revoked and not what would be worse
   * than to know the state before.
   *
   * @throws {TrustError} as {@link verifyState} and {@link verifyRevocations} · `QIP_TRUST_DOCUMENT_MISSING` without a bundle ·
   *   `QIP_TRUST_WENT_BACKWARDS` · `QIP_TRUST_SEQUENCE_REUSED` · `QIP_TRUST_LOG_FORKED` · `QIP_TRUST_HEAD_CONFLICT` ·
   *   `QIP_TRUST_HEADS_MISSING` · `QIP_TRUST_CHAIN_MISMATCH` · `QIP_TRUST_LIMIT_EXCEEDED`
   */
  applyState(input: StateToApply): Promise<boolean> {
    return this.#inTurn(() => this.#applyState(input))
  }

  /**
   * All that is held, for a file. It proves itself: {@link loadSnapshot} checks it like documents from the network. Empty
   * before the first root document.
   */
  exportSnapshot(): Uint8Array {
    const bundle = this.#keys.bundle?.envelope
    return formatSnapshot({
      roots: this.#keys.roots.map(({ envelope }) => envelope),
      bundle,
      state: bundle && this.#state?.envelope,
      revocations: this.#records,
      ...this.#heads.excerpt(),
    })
  }

  /**
   * Applies a snapshot to a store that holds nothing yet. What precedes the first document that is refused stays applied.
   *
   * @throws {TrustError} `QIP_TRUST_SNAPSHOT_MALFORMED`, and as {@link applyRoot}, {@link applyBundle} and {@link applyState}
   */
  async loadSnapshot(snapshot: Uint8Array, timeMs: number): Promise<void> {
    const { roots, bundle, base, state, revocations, heads } = parseSnapshot(snapshot)
    for (const envelope of roots) await this.applyRoot({ envelope, timeMs })
    if (bundle !== undefined) await this.applyBundle({ envelope: bundle, timeMs })
    if (state === undefined) return
    const hasBase = base === undefined || (await this.#applyBase({ envelope: base, timeMs, revocations }))
    await this.applyState({ envelope: state, timeMs, revocations, ...(hasBase && { heads }) })
  }

  keyFor(td: TrustDomain, keyId: number, use: 'qip-token' | 'qip-log'): SigningKeyRecord | undefined {
    const record = td === this.td ? this.#keys.index.byKeyId(keyId) : undefined
    return record?.use === use ? record : undefined
  }

  keyByKid(td: TrustDomain, kid: string, use: SigningUse): SigningKeyRecord | undefined {
    const record = td === this.td ? this.#keys.index.byKid(kid) : undefined
    return record?.use === use ? record : undefined
  }

  cosigners(origin: string): readonly SigningKeyRecord[] | undefined {
    return this.#keys.index.cosigners(origin)
  }

  keysOf(use: SigningUse): readonly SigningKeyRecord[] {
    return this.#keys.index.byUse(use)
  }

  kemKeys(): readonly KemKeyRecord[] {
    return this.#keys.index.kemKeys
  }

  headFor(
    origin: string,
    keyId: number,
    head: { readonly start: number; readonly end: number },
  ): Uint8Array | undefined {
    const record = this.#keys.index.byKeyId(keyId)
    if (record?.use !== 'qip-token' || record.log !== origin) return undefined
    return this.#heads.find(origin, head.start, head.end)
  }

  /** Every revocation record held, in the order of their numbers, those included that have expired. */
  get revocationRecords(): readonly RevocationRecord[] {
    return this.#records
  }

  /** Every listed head that is held, in no order: for who hands them on. Allocates nothing, but there may be many. */
  listHeads(): Iterable<HeadRecord> {
    return this.#heads.list()
  }

  /** Listed heads that are held. */
  get headCount(): number {
    return this.#heads.size
  }

  headsCompleteFrom(origin: string): number {
    return this.#heads.completeFrom(origin)
  }

  logHead(origin: string): LogHead | undefined {
    return this.#state?.document.logs.get(origin)
  }

  logSize(origin: string): number {
    return this.#state?.document.logs.get(origin)?.size ?? -1
  }

  policy(name: string): PolicyVersion | undefined {
    return this.#state?.document.policies.get(name)
  }

  ageMs(nowMs: number): number {
    const state = this.#state
    return state === undefined ? Number.POSITIVE_INFINITY : Math.max(0, nowMs - state.document.timeMs)
  }

  staleness(nowMs: number, staleAfterMs: number): Staleness | undefined {
    const nowS = nowMs / 1_000
    const root = this.root
    if (root === undefined) return 'no_root'
    if (isExpired(root.expires, nowS)) return 'root_expired'
    const bundle = this.bundle
    if (bundle === undefined) return 'no_bundle'
    if (isExpired(bundle.expires, nowS)) return 'bundle_expired'
    if (this.#state === undefined) return 'no_state'
    const ageMs = nowMs - this.#state.document.timeMs
    if (ageMs < -limits.clockToleranceS * 1_000) return 'clock_behind'
    return ageMs > staleAfterMs ? 'state_old' : undefined
  }

  builderKeySets(builder: string, origin: string, index: number): readonly (readonly PublicKey[])[] {
    const sets: PublicKey[][] = []
    for (const records of this.#keys.index.builderSets(builder)) {
      const isWhole = records.every((record) => this.#countsAt(record, origin, index))
      // Ed25519 alone does not outlive classical signatures, whoever configured it.
      const outlivesQuantum = records.some(({ key }) => key.alg !== 'Ed25519')
      if (isWhole && outlivesQuantum) sets.push(records.map(({ key }) => key))
    }
    return sets
  }

  logKeys(origin: string, index: number): readonly SigningKeyRecord[] {
    const records = this.#keys.index.byUse('qip-log')
    return records.filter((record) => record.log === origin && this.#countsAt(record, origin, index))
  }

  // A compromised key still speaks for what it signed below the index that its revocation names, and only if one does.
  #countsAt(record: SigningKeyRecord, origin: string, index: number): boolean {
    const from = this.#revocations.keyRevokedFrom(record.key.kid, origin)
    if (record.state === 'compromised') return from !== Number.POSITIVE_INFINITY && index < from
    return isAcceptable(record) && index < from
  }

  async #applyRoot({ envelope, bundle, timeMs }: RootToApply): Promise<boolean> {
    const next = bundle === undefined ? undefined : bundleToHold(bundle, timeMs)
    const held = await this.#keys.applyRoot(openEnvelope(envelope, 'root'), next)
    if (held?.compromised !== undefined) this.#reportBundle(held.compromised)
    return held !== undefined
  }

  async #applyBundle(input: DocumentToApply): Promise<boolean> {
    const envelope = openEnvelope(input.envelope, 'bundle')
    const compromised = await this.#keys.applyBundle(envelope, input.timeMs / 1_000)
    if (compromised === undefined) return false
    this.#reportBundle(compromised)
    return true
  }

  #reportBundle(compromised: readonly SigningKeyRecord[]): void {
    const sequence = this.bundle?.sequence ?? 0
    for (const record of compromised) this.#report((listener) => listener.onCompromised?.(record))
    this.#report((listener) => listener.onBundle?.(sequence))
  }

  async #applyBase(input: StateToApply): Promise<boolean> {
    try {
      return await this.applyState(input)
    } catch (error) {
      // An hour-old state may be signed by a feed key that has retired since. Then only the heads are lost.
      if (error instanceof TrustError && error.code === 'QIP_TRUST_SIGNATURES_INSUFFICIENT') return false
      throw error
    }
  }

  async #applyState(input: StateToApply): Promise<boolean> {
    const envelope = openEnvelope(input.envelope, 'state')
    if (isSame(this.#state, envelope)) return false
    const { timeMs } = input
    const offered = await verifyState({ envelope, bundle: this.#keys.bundleInForce(timeMs / 1_000), timeMs })
    const state = offered.document
    const held = this.#state?.document
    if (held !== undefined) checkStateFollows(held, state)
    checkLogsGrow(this.#logs, state.logs)
    const records = this.#newRecords(state, input.revocations ?? [])
    const heads = this.#heads.prepare({
      held,
      state,
      heads: input.heads ?? [],
      gap: input.headGap ?? 'accept',
    })
    // From here on nothing can fail: a state takes effect as a whole.
    this.#state = { ...offered, envelope }
    this.#rememberLogs(state.logs)
    for (const record of records) this.#records.push(record)
    this.#revocations.apply(records, Math.floor(state.timeMs / 1_000))
    const dropped = this.#heads.commit(heads, envelope, state)
    this.#reportState({ records, heads: heads.listed, dropped })
    return true
  }

  #newRecords(state: State, records: readonly RevocationRecord[]): readonly RevocationRecord[] {
    const from = this.#state?.document ?? { epoch: 0, revocations: revocationChainStart }
    const verified = verifyRevocations({ from, to: state, records })
    const limit = this.#options.revocationsMax ?? trustLimits.heldRevocationsMax
    if (this.#records.length + verified.length > limit) {
      const details = { document: 'state', what: 'revocation records', limit } as const
      throw new TrustError('QIP_TRUST_LIMIT_EXCEEDED', details)
    }
    return verified
  }

  #rememberLogs(logs: ReadonlyMap<string, LogHead>): void {
    // A log that is no longer listed is remembered, in case it comes back smaller; up to a limit.
    if (this.#logs.size > 2 * trustLimits.logsMax) this.#logs = new Map(logs)
    else for (const [origin, log] of logs) this.#logs.set(origin, log)
  }

  #reportState(news: {
    readonly records: readonly RevocationRecord[]
    readonly heads: readonly HeadRecord[]
    readonly dropped: number
  }): void {
    const { records, heads, dropped } = news
    const state = this.#state?.document
    if (state === undefined) return
    for (const { kind, value, log } of records) {
      const record = kind === 'key' && log === undefined ? this.#keys.index.byKid(value) : undefined
      if (record !== undefined) this.#report((listener) => listener.onCompromised?.(record))
    }
    if (records.length > 0) this.#report((listener) => listener.onEpoch?.(state.epoch))
    if (heads.length > 0) this.#report((listener) => listener.onHeads?.(heads))
    if (dropped > 0) this.#report((listener) => listener.onHeadsDropped?.(dropped))
    this.#report((listener) => listener.onState?.(state.seq, state.timeMs))
  }

  #report(tell: (listener: TrustListener) => void): void {
    for (const listener of this.#listeners) tell(listener)
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => undefined)
    return result
  }
}

// A bundle that cannot even be read must not keep its root document out.
function bundleToHold(bundle: EnvelopeInput, timeMs: number): BundleToHold | undefined {
  try {
    return { envelope: openEnvelope(bundle, 'bundle'), timeS: timeMs / 1_000 }
  } catch (error) {
    if (error instanceof TrustError) return undefined
    throw error
  }
}
