import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, isQipError, systemClock } from '@quantum-ip/base'
import {
  bearer,
  createLeanRequester,
  createTrustPuller,
  type FollowerEvent,
  headSource,
  type LeanRequesterOptions,
  loadSnapshotFile,
  type Mirror,
  mirroredHeadSource,
  type TrustPuller,
  writeSnapshotFile,
} from '@quantum-ip/client'
import { TrustStore } from '@quantum-ip/trust'
import type { HeadSource } from '@quantum-ip/verifier'

/** Where trust documents are had. */
export interface TrustPlaceOptions extends LeanRequesterOptions {
  /** The bearer token that a mirror wants from its readers. */
  readonly token?: string | undefined
}

/** What {@link HeldTrust} is told. */
export interface HeldTrustOptions {
  /** What the trust domain is called: `spiffe://acme.example`. */
  readonly trustDomain: string
  /** Thumbprints of its root keys. */
  readonly rootThumbprints: readonly string[]
  /** How many of them must have signed. Default 1. */
  readonly rootThreshold?: number
  /** Mirrors, asked in this order: they can withhold and replay, never forge. */
  readonly mirrors: readonly TrustPlaceOptions[]
  /** A snapshot that came with the function, in its package or a layer: what it begins with. Checked like documents from the network. */
  readonly snapshotFile?: string | undefined
  /** A folder for what is held, for when the process is started anew in the same environment. Made with mode 0700. */
  readonly cacheFolder?: string | undefined
  /** Age of the state from which an invocation first asks for a newer one. Default 5,000 ms. */
  readonly refreshAfterMs?: number
  /** How long an invocation waits for that, at most. Default 1,500 ms. */
  readonly deadlineMs?: number
  /** Age from which the trust counts for nothing: requests are refused. Default 300,000 ms. */
  readonly staleAfterMs?: number
  /** Seconds of heads to begin with; others are asked for one by one. Default 60. */
  readonly historyS?: number
  readonly clock?: Clock
  readonly onEvent?: (event: FollowerEvent) => void
}

/** After a failure, no invocation waits again for so long. */
const retryMs = 1_000
const cacheEveryMs = 60_000
const staleAfterDefaultMs = 300_000

/**
 * Trust for a process that is frozen between requests: nothing here runs by itself. Whoever is about to judge a request asks for
 * {@link refresh}, which costs nothing while what is held is young.
 *
 * Ages are told by the system's clock, which goes on while the process is frozen; timers do not.
 */
export class HeldTrust {
  readonly store: TrustStore
  readonly heads: HeadSource
  readonly #options: HeldTrustOptions
  readonly #clock: Clock
  readonly #puller: TrustPuller
  #begun: Promise<void> | undefined
  #pulling: { readonly done: Promise<void>; readonly sinceMs: number } | undefined
  #notBeforeMs = 0
  #cachedMs = 0

  /** @param onBegin told when there may be heads in between that nobody knows: whoever remembers heads forgets them then */
  constructor(options: HeldTrustOptions, onBegin: () => void) {
    const { trustDomain, rootThumbprints, rootThreshold = 1, clock = systemClock, historyS = 60 } = options
    const { staleAfterMs = staleAfterDefaultMs, onEvent } = options
    this.#options = options
    this.#clock = clock
    const pins = { thumbprints: [...rootThumbprints], threshold: rootThreshold }
    this.store = new TrustStore({ td: trustDomain, pins })
    const [place, ...mirrors] = options.mirrors.map(mirrorOf)
    if (place === undefined) throw new TypeError('`mirrors` names no place to have trust from')
    const source = headSource(place.requester)
    this.heads = mirroredHeadSource(source, { mirrors, trust: this.store, clock })
    const { store } = this
    const report = onEvent === undefined ? {} : { onEvent }
    this.#puller = createTrustPuller({
      place,
      mirrors,
      store,
      clock,
      staleAfterMs,
      historyS,
      onBegin,
      ...report,
    })
  }

  /**
   * Brings what is held up to date, where it is older than `refreshAfterMs`, and waits for it for `deadlineMs` at most. Never throws: what
   * is too old to count is the verifier's to refuse.
   */
  async refresh(limitMs = Number.POSITIVE_INFINITY): Promise<void> {
    const { refreshAfterMs = 5_000, deadlineMs = 1_500 } = this.#options
    if (this.store.state === undefined) await (this.#begun ??= this.#begin())
    const nowMs = this.#clock.now()
    const ageMs = this.store.ageMs(nowMs)
    if (ageMs < refreshAfterMs) return
    // One that began before this process was frozen may hang on a connection that is long gone.
    const isHung = this.#pulling !== undefined && Math.abs(nowMs - this.#pulling.sinceMs) > deadlineMs
    if (this.#pulling === undefined || isHung) {
      if (nowMs < this.#notBeforeMs && this.#notBeforeMs - nowMs <= retryMs) return
      const pulling = { done: this.#pull(), sinceMs: nowMs }
      this.#pulling = pulling
      void pulling.done.finally(() => {
        if (this.#pulling === pulling) this.#pulling = undefined
      })
    }
    await within(this.#pulling?.done, Math.min(deadlineMs, limitMs))
  }

  async #begin(): Promise<void> {
    const { snapshotFile } = this.#options
    for (const file of [this.#cacheFile, snapshotFile]) {
      if (file === undefined || this.store.root !== undefined) continue
      try {
        await loadSnapshotFile(file, this.store, this.#clock)
      } catch (error) {
        this.#report('snapshot_refused', error)
      }
    }
  }

  async #pull(): Promise<void> {
    try {
      // One that was under way when the process was frozen fails when it goes on.
      await this.#puller.pull().catch(() => this.#puller.pull())
      this.#notBeforeMs = 0
      void this.#cache()
    } catch (error) {
      this.#notBeforeMs = this.#clock.now() + retryMs
      this.#report('poll_failed', error)
    }
  }

  get #cacheFile(): string | undefined {
    const { cacheFolder } = this.#options
    return cacheFolder === undefined ? undefined : join(cacheFolder, 'trust.snapshot')
  }

  async #cache(): Promise<void> {
    const { cacheFolder } = this.#options
    const [file, nowMs] = [this.#cacheFile, this.#clock.now()]
    if (cacheFolder === undefined || file === undefined || nowMs - this.#cachedMs < cacheEveryMs) return
    this.#cachedMs = nowMs
    try {
      await mkdir(cacheFolder, { recursive: true, mode: 0o700 })
      await chmod(cacheFolder, 0o700)
      await writeSnapshotFile(file, this.store.exportSnapshot())
    } catch (error) {
      this.#report('snapshot_unwritable', error)
    }
  }

  #report(kind: 'snapshot_refused' | 'poll_failed' | 'snapshot_unwritable', error: unknown): void {
    if (isQipError(error)) this.#options.onEvent?.({ kind, error })
  }
}

function mirrorOf({ url, token, ...options }: TrustPlaceOptions): Mirror {
  const requester = createLeanRequester({ url, ...options })
  return { url, requester: token === undefined ? requester : bearer(requester, token) }
}

async function within(work: Promise<void> | undefined, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms))
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
