import { type Clock, equalBytes, isQipError, limits } from '@quantum-ip/base'
import {
  chainHead,
  type HeadRecord,
  type RevocationRecord,
  TrustError,
  type TrustErrorDetails,
  trustLimits,
  type TrustStore,
} from '@quantum-ip/trust'
import type { TrustPlace } from '../mirrors.ts'
import type { TakenDocument } from '../taken-document.ts'
import { isNotFound } from './problem.ts'
import { fetchDocument, fetchHistory, headChainOf, type History, rootSequenceOf } from './trust-fetch.ts'

/** A state as feed or poll brings it. */
export interface TrustStep {
  readonly state: Uint8Array | string
  readonly bundle?: string
  readonly revocations?: readonly RevocationRecord[]
  readonly headGap: 'accept' | 'refuse'
}

/** Codes that say that something between what is held and what was offered is missing, which the history brings. */
const gapCodes: ReadonlySet<keyof TrustErrorDetails> = new Set([
  'QIP_TRUST_HEADS_MISSING',
  'QIP_TRUST_REVOCATIONS_MISSING',
  'QIP_TRUST_CHAIN_MISMATCH',
  'QIP_TRUST_DOCUMENT_MISSING',
])

/** Whether the history may help. */
export function isGap(error: unknown): error is TrustError {
  return error instanceof TrustError && gapCodes.has(error.code)
}

/** Whether a state was older than the one held, as answers are that crossed, or mirrors that lag. */
export function isOlder(error: unknown): boolean {
  if (!(error instanceof TrustError) || !isQipError(error, 'QIP_TRUST_WENT_BACKWARDS')) return false
  const { what } = error.details as TrustErrorDetails['QIP_TRUST_WENT_BACKWARDS']
  return what === 'seq' || what === 'sequence'
}

/** Whether a document rests on one of kind `needs` that is not held. */
function isMissing(error: unknown, needs: 'root' | 'bundle'): boolean {
  if (!(error instanceof TrustError) || !isQipError(error, 'QIP_TRUST_DOCUMENT_MISSING')) return false
  return (error.details as TrustErrorDetails['QIP_TRUST_DOCUMENT_MISSING']).needs === needs
}

/** Beside the age of the held state: so much further back the history begins. */
const lifetimeMarginS = 5

/** How a {@link TrustUpdater} works. */
export interface TrustUpdaterOptions {
  readonly clock: Clock
  /** Told of everything that was new and verified. */
  readonly taken?: ((document: TakenDocument) => void) | undefined
  /** Seconds of heads to begin with, and to bridge at most. Default: all that a token can live. */
  readonly historyS?: number | undefined
}

/** Brings what the authority says into a trust store, which alone decides what of it is true. */
export class TrustUpdater {
  readonly #place: TrustPlace
  readonly #store: TrustStore
  readonly #clock: Clock
  #clockOffsetMs: number | undefined
  readonly #taken: (document: TakenDocument) => void
  readonly #historyS: number

  constructor(
    place: TrustPlace,
    store: TrustStore,
    { clock, taken = () => undefined, historyS = limits.tokenTtlMaxS }: TrustUpdaterOptions,
  ) {
    this.#place = place
    this.#store = store
    this.#clock = clock
    this.#taken = taken
    this.#historyS = historyS
  }

  /**
   * Follows the root documents to the newest one: from the one held, or from the pinned one on.
   *
   * The newest is tried first, since most successors are signed by the roots that are held; only where it is not, the documents
   * between are needed. The bundle takes effect with the newest: one that changes the bundle keys puts the bundle before it out of
   * force, and there must be no moment without one.
   *
   * @param bundle the one that rests on the newest root document, where it is at hand
   */
  async walkRoot(bundle?: Uint8Array | string): Promise<void> {
    const newest = await fetchDocument(this.#place.open, 'root')
    const held = this.#store.root
    const sequence = rootSequenceOf(newest)
    if (held !== undefined && sequence < held.sequence) return
    const isNew = held !== undefined && sequence > held.sequence
    const next = bundle ?? (isNew ? await fetchDocument(this.#place.open, 'bundle') : undefined)
    const isUnknown = held === undefined ? 'QIP_TRUST_ROOT_NOT_PINNED' : 'QIP_TRUST_SIGNATURES_INSUFFICIENT'
    try {
      await this.#applyRoot(newest, next)
      return
    } catch (error) {
      if (!isQipError(error, isUnknown)) throw error
      const between = held === undefined ? this.#sincePinned(sequence) : this.#since(held.sequence, sequence)
      if (!(await between)) throw error
    }
    await this.#applyRoot(newest, next)
  }

  /** Applies the root documents from the one after `held` to the one before `newest`. Returns whether there was one. */
  async #since(held: number, newest: number): Promise<boolean> {
    let isAny = false
    const first = Math.max(held + 1, newest - trustLimits.rootChainMax)
    for (let sequence = first; sequence < newest; sequence++) {
      const envelope = await this.#fetchRoot(sequence)
      if (envelope === undefined) continue
      await this.#applyRoot(envelope)
      isAny = true
    }
    return isAny
  }

  /** Goes back until a root document has the pinned keys, then forward to the one before `newest`. */
  async #sincePinned(newest: number): Promise<boolean> {
    const last = Math.max(1, newest - trustLimits.rootChainMax)
    for (let sequence = newest - 1; sequence >= last; sequence--) {
      const envelope = await this.#fetchRoot(sequence)
      if (envelope === undefined || !(await this.#isPinned(envelope))) continue
      await this.#since(sequence, newest)
      return true
    }
    return false
  }

  async #isPinned(envelope: Uint8Array): Promise<boolean> {
    try {
      await this.#applyRoot(envelope)
      return true
    } catch (error) {
      if (isQipError(error, 'QIP_TRUST_ROOT_NOT_PINNED')) return false
      throw error
    }
  }

  async #fetchRoot(sequence: number): Promise<Uint8Array | undefined> {
    try {
      return await fetchDocument(this.#place.open, 'root', sequence)
    } catch (error) {
      // Sequences ascend, and may leave numbers out.
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  async #applyRoot(envelope: Uint8Array, bundle?: Uint8Array | string): Promise<boolean> {
    const isNew = await this.#store.applyRoot({
      envelope,
      timeMs: this.#clock.now(),
      ...(bundle !== undefined && { bundle }),
    })
    if (isNew) this.#taken({ kind: 'root', sequence: rootSequenceOf(envelope), envelope })
    if (isNew && bundle !== undefined) this.#taken({ kind: 'bundle', envelope: bundle })
    return isNew
  }

  /** Applies a bundle; one that rests on a later root document after that one. An older one is passed over. */
  async #applyBundle(envelope: Uint8Array | string): Promise<void> {
    const apply = async () => {
      const isNew = await this.#store.applyBundle({ envelope, timeMs: this.#clock.now() })
      if (isNew) this.#taken({ kind: 'bundle', envelope })
    }
    try {
      await apply()
    } catch (error) {
      if (isOlder(error)) return
      if (!isMissing(error, 'root')) throw error
      await this.walkRoot(envelope)
      await apply()
    }
  }

  /** Applies a state with what came with it; fetches a bundle that it rests on and that is not held. Returns whether it was new. */
  async step({ state, bundle, revocations = [], headGap }: TrustStep): Promise<boolean> {
    if (bundle !== undefined) await this.#applyBundle(bundle)
    const apply = async () => {
      const timeMs = this.#clock.now()
      const isNew = await this.#store.applyState({ envelope: state, revocations, headGap, timeMs })
      const heads = headGap === 'refuse' ? this.#store.state?.heads : undefined
      if (isNew) this.#taken({ kind: 'state', envelope: state, revocations, heads })
      return isNew
    }
    try {
      return this.#noteOffset(await apply())
    } catch (error) {
      this.#noteAhead(error)
      if (!isMissing(error, 'bundle')) throw error
      await this.#applyBundle(await fetchDocument(this.#place.open, 'bundle'))
      return this.#noteOffset(await apply())
    }
  }

  /** How far this clock was ahead of the signed time of the newest state when it came; `undefined` before the first. */
  get clockOffsetMs(): number | undefined {
    return this.#clockOffsetMs
  }

  #noteOffset(isNew: boolean): boolean {
    const { state } = this.#store
    if (isNew && state !== undefined) this.#clockOffsetMs = this.#clock.now() - state.timeMs
    return isNew
  }

  // A state that is not taken because it is of the future says more about this clock than all that were taken.
  #noteAhead(error: unknown): void {
    if (!(error instanceof TrustError) || !isQipError(error, 'QIP_TRUST_TIME_AHEAD')) return
    const { document, aheadMs } = error.details as TrustErrorDetails['QIP_TRUST_TIME_AHEAD']
    if (document === 'state') this.#clockOffsetMs = -aheadMs
  }

  /** Asks for the newest state and applies it. Returns whether it was new. */
  async poll(headGap: 'accept' | 'refuse' = 'refuse'): Promise<boolean> {
    const state = await fetchDocument(this.#place.open, 'state')
    try {
      return await this.step({ state, headGap })
    } catch (error) {
      if (isOlder(error)) return false
      throw error
    }
  }

  /**
   * Root documents, then the history: everything since the state that is held, or as much as `historyS` says where none is, or it is
   * older than that.
   */
  async catchUp(): Promise<void> {
    await this.walkRoot()
    const held = this.#store.state
    const whole = this.#historyS
    const ageS = held === undefined ? whole : Math.ceil((this.#clock.now() - held.timeMs) / 1_000)
    const lifetimeS = Math.min(whole, Math.max(0, ageS) + lifetimeMarginS)
    const history = await fetchHistory(this.#place.member, lifetimeS)
    if (await this.#continue(history)) return
    // It does not reach back to what is held: clocks differ, or the authority keeps less. Once more, and whole.
    await this.#begin(lifetimeS === whole ? history : await fetchHistory(this.#place.member, whole))
  }

  /** Applies the history from the state that is held on. Returns whether it reaches that far back. */
  async #continue(history: History): Promise<boolean> {
    const held = this.#store.state
    if (held === undefined) return false
    const heads = headsAfter(held.headChain, history)
    if (heads === undefined) return false
    await this.#applyBundle(history.bundle)
    await this.#applyNewest(history, heads)
    return true
  }

  /** Applies the history from its base on. Heads from before that state are not known then; their tokens have mostly ended. */
  async #begin(history: History): Promise<void> {
    await this.#applyBundle(history.bundle)
    await this.#applyNewest(history, (await this.#applyBase(history)) ? history.heads : undefined)
  }

  async #applyBase({ base, revocations }: History): Promise<boolean> {
    try {
      const timeMs = this.#clock.now()
      await this.#store.applyState({ envelope: base, revocations, headGap: 'accept', timeMs })
      this.#taken({ kind: 'base', envelope: base, revocations })
      return true
    } catch (error) {
      // An old state may be signed by a feed key that has retired since, or be older than what is held. Then its heads are lost.
      if (isOlder(error) || isQipError(error, 'QIP_TRUST_SIGNATURES_INSUFFICIENT')) return false
      throw error
    }
  }

  async #applyNewest(
    { state, revocations }: History,
    heads: readonly HeadRecord[] | undefined,
  ): Promise<void> {
    try {
      const isNew = await this.#store.applyState({
        envelope: state,
        revocations,
        headGap: 'accept',
        timeMs: this.#clock.now(),
        ...(heads !== undefined && { heads }),
      })
      if (isNew) this.#taken({ kind: 'state', envelope: state, revocations, heads })
    } catch (error) {
      // The feed was faster.
      if (!isOlder(error)) throw error
    }
  }
}

/** The heads that were listed after the state with chain `held`; `undefined` if that is none of the history's. */
function headsAfter(held: Uint8Array, { base, heads }: History): readonly HeadRecord[] | undefined {
  let chain = headChainOf(base)
  if (equalBytes(chain, held)) return heads
  for (const [index, head] of heads.entries()) {
    chain = chainHead(chain, head)
    if (equalBytes(chain, held)) return heads.slice(index + 1)
  }
  return undefined
}
