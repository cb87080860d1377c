import { type Clock, type CodedError, isQipError, systemClock } from '@quantum-ip/base'
import type { TrustStore } from '@quantum-ip/trust'
import type { FollowerEvent, FollowerMode } from './follower-events.ts'
import type {
  FollowerStatus,
  FollowerTiming,
  TrustFollower,
  TrustFollowerOptions,
} from './follower-options.ts'
import { Acknowledger } from './lib/acknowledger.ts'
import { backoffMs, jittered } from './lib/backoff.ts'
import { unavailable } from './lib/failure.ts'
import { type FeedEvent, openFeed } from './lib/feed.ts'
import { loadSnapshotFile } from './lib/snapshot-file.ts'
import { SnapshotKeeper } from './lib/snapshot-keeper.ts'
import { FallbackUpdater } from './lib/fallback-updater.ts'
import { isGap, isOlder } from './lib/trust-updater.ts'
import { wait } from './lib/wait.ts'

/**
 * Follows the trust of a domain: the snapshot on disk, the root documents, the history, then the feed; and while there is no feed,
 * the state every two seconds. All of it goes through the store, which takes nothing that does not verify and nothing older.
 *
 * Resolves when the trust is up to date, or when the first attempt failed: then with what the snapshot held, if anything, and it
 * goes on trying. What a verifier may rely on is what the store says, by `staleness`.
 */
export async function openTrustFollower(options: TrustFollowerOptions): Promise<TrustFollower> {
  const follower = new FeedFollower(options)
  await follower.start()
  return follower
}

const staleAfterDefaultMs = 300_000

/** Gaps in a row that are closed on one connection. */
const gapsMax = 3

class FeedFollower implements TrustFollower {
  readonly store: TrustStore
  readonly #options: TrustFollowerOptions
  readonly #clock: Clock
  readonly #timing: Required<FollowerTiming>
  readonly #updater: FallbackUpdater
  readonly #acknowledger: Acknowledger | undefined
  readonly #snapshots: SnapshotKeeper | undefined
  readonly #stop = new AbortController()
  #tasks: Promise<unknown>[] = []
  #mode: FollowerMode = 'starting'
  #needsHistory = true
  #failures = 0
  #caughtUp = 0
  #feedsLost = 0
  #retryMs: number | undefined

  constructor(options: TrustFollowerOptions) {
    const { session, store, snapshotFile, mirrors = [], clock = systemClock } = options
    this.store = store
    this.#options = options
    this.#clock = clock
    this.#timing = { ...timingDefaults, ...options.timing }
    const { acknowledgeMs, snapshotMs } = this.#timing
    const report = (event: FollowerEvent) => this.#report(event)
    const { staleAfterMs = staleAfterDefaultMs, onTaken: taken } = options
    const authority = { url: session.transport.url, open: session.transport, member: session }
    this.#updater = new FallbackUpdater({ authority, mirrors, store, clock, staleAfterMs, report, taken })
    this.#acknowledger = acknowledgerOf(options, acknowledgeMs, report)
    this.#snapshots =
      snapshotFile === undefined
        ? undefined
        : new SnapshotKeeper({ file: snapshotFile, store, snapshotMs, report })
  }

  async start(): Promise<void> {
    await this.#loadSnapshot()
    await new Promise<void>((started) => {
      const { signal } = this.#stop
      this.#tasks = [
        this.#follow(started),
        this.#checkRoots(signal),
        ...(this.#acknowledger === undefined ? [] : [this.#acknowledger.run(signal)]),
        ...(this.#snapshots === undefined ? [] : [this.#snapshots.run(signal)]),
      ]
    })
  }

  status(): FollowerStatus {
    const { store } = this
    const { session, staleAfterMs = staleAfterDefaultMs } = this.#options
    const now = this.#clock.now()
    return {
      mode: this.#mode,
      authority: session.transport.url,
      seq: store.state?.seq,
      epoch: store.epoch,
      bundleSequence: store.bundle?.sequence,
      ageMs: store.ageMs(now),
      clockOffsetMs: this.#updater.clockOffsetMs,
      staleness: store.staleness(now, staleAfterMs),
      caughtUp: this.#caughtUp,
      feedsLost: this.#feedsLost,
      acknowledgedSeq: this.#acknowledger?.seq,
    }
  }

  acknowledge(): void {
    this.#acknowledger?.ring()
  }

  async close(): Promise<void> {
    if (this.#mode === 'closed') return
    this.#mode = 'closed'
    this.#stop.abort()
    await Promise.all(this.#tasks)
    await Promise.all([this.#acknowledger?.close(), this.#snapshots?.close()])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #loadSnapshot(): Promise<void> {
    const { snapshotFile } = this.#options
    if (snapshotFile === undefined) return
    try {
      if (await loadSnapshotFile(snapshotFile, this.store, this.#clock)) {
        this.#report({ kind: 'snapshot_loaded', seq: this.store.state?.seq })
      }
    } catch (error) {
      this.#report({ kind: 'snapshot_refused', error: coded(error) })
    }
  }

  /** Holds the feed for as long as it goes, again and again. `started` is called after the first success or failure. */
  async #follow(started: () => void): Promise<void> {
    const { reconnectMs, reconnectMaxMs } = this.#timing
    while (!this.#isStopped()) {
      try {
        if (this.#needsHistory) await this.#catchUp()
        started()
        await this.#holdFeed()
      } catch (error) {
        started()
        if (this.#isStopped()) return
        this.#failures++
        this.#feedsLost++
        this.#setMode('polling')
        this.#report({ kind: 'feed_lost', error: coded(error) })
      }
      const firstMs = Math.min(this.#retryMs ?? reconnectMs, reconnectMaxMs)
      await this.#bridge(backoffMs({ firstMs, maxMs: reconnectMaxMs }, this.#failures))
    }
    started()
  }

  async #catchUp(): Promise<void> {
    await this.#updater.catchUp()
    this.#needsHistory = false
    this.#caughtUp++
    this.#report({ kind: 'caught_up', seq: this.store.state?.seq ?? 0, epoch: this.store.epoch })
  }

  async #holdFeed(): Promise<never> {
    const { session } = this.#options
    const feed = await openFeed(session, {
      lastSeq: this.store.state?.seq,
      idleMs: this.#timing.feedIdleMs,
      signal: this.#stop.signal,
    })
    this.#report({ kind: 'feed_opened', authority: session.transport.url })
    this.#setMode('feed')
    let gaps = 0
    try {
      for await (const event of feed.events()) {
        gaps = (await this.#take(event)) ? 0 : gaps + 1
        if (gaps >= gapsMax) throw unavailable('the feed', 'it leaves out states again and again')
        // From here on it was of use: the next attempt comes soon.
        if (gaps === 0) this.#failures = 0
      }
    } finally {
      this.#retryMs = feed.retryMs
      feed.close()
    }
    throw unavailable('the feed', 'it ended')
  }

  /** Applies an event. Returns whether it followed on what was held; else the history was applied, and then the event. */
  async #take(event: FeedEvent): Promise<boolean> {
    if (event.kind === 'sampling') {
      this.#options.onSampling?.(event.sampling)
      return true
    }
    let reason = 'the feed begins anew'
    if (event.kind === 'step') {
      try {
        await this.#step(event)
        return true
      } catch (error) {
        if (!isGap(error)) throw error
        reason = error.message
      }
    }
    this.#report({ kind: 'gap', reason })
    this.#needsHistory = true
    await wait(jittered(this.#timing.gapJitterMs, 1), this.#stop.signal)
    // The connection stays: what it brings meanwhile is applied afterwards, so that nothing falls between the two.
    await this.#catchUp()
    if (event.kind === 'step') await this.#step(event)
    return false
  }

  async #step({ step }: FeedEvent & { kind: 'step' }): Promise<void> {
    try {
      await this.#updater.step(step)
    } catch (error) {
      if (!isOlder(error)) throw error
    }
  }

  /** Waits before the feed is opened again, and polls meanwhile. */
  async #bridge(ms: number): Promise<void> {
    const { signal } = this.#stop
    const untilMs = performance.now() + ms
    for (;;) {
      const leftMs = Math.max(0, untilMs - performance.now())
      const pollMs = jittered(this.#timing.pollMs, 0.1)
      await wait(Math.min(pollMs, leftMs), signal)
      if (signal.aborted || leftMs <= pollMs) return
      await this.#poll()
    }
  }

  async #poll(): Promise<void> {
    try {
      await this.#updater.poll()
    } catch (error) {
      if (this.#isStopped()) return
      if (!isGap(error)) this.#report({ kind: 'poll_failed', error: coded(error) })
      else await this.#closeGap(error.message)
    }
  }

  async #closeGap(reason: string): Promise<void> {
    this.#report({ kind: 'gap', reason })
    this.#needsHistory = true
    try {
      await this.#catchUp()
    } catch (error) {
      if (this.#isStopped()) return
      this.#report({ kind: 'poll_failed', error: coded(error) })
      if (this.store.ageMs(this.#clock.now()) >= this.#timing.gapAfterMs) await this.#acceptGap()
    }
  }

  /** Better to know that nothing was revoked, and to ask for heads one by one, than to know nothing. */
  async #acceptGap(): Promise<void> {
    try {
      if (await this.#updater.poll('accept')) {
        this.#report({ kind: 'gap_accepted', seq: this.store.state?.seq ?? 0 })
      }
    } catch (error) {
      this.#report({ kind: 'poll_failed', error: coded(error) })
    }
  }

  async #checkRoots(signal: AbortSignal): Promise<void> {
    for (;;) {
      await wait(jittered(this.#timing.rootCheckMs, 0.1), signal)
      if (signal.aborted) return
      try {
        await this.#updater.walkRoot()
      } catch (error) {
        if (!signal.aborted) this.#report({ kind: 'root_check_failed', error: coded(error) })
      }
    }
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  #setMode(mode: FollowerMode): void {
    if (this.#mode !== 'closed') this.#mode = mode
  }

  #report(event: FollowerEvent): void {
    this.#options.onEvent?.(event)
  }
}

/** Tells the authority how far this point is; what is no enforcement point tells nothing. */
function acknowledgerOf(
  { session, store, point, kind, region, verifyProbe, held }: TrustFollowerOptions,
  acknowledgeMs: number,
  report: (event: FollowerEvent) => void,
): Acknowledger | undefined {
  if (point === undefined) return undefined
  const fleet = { point, ...(kind !== undefined && { kind }), ...(region !== undefined && { region }) }
  return new Acknowledger({ session, store, fleet, verifyProbe, held, acknowledgeMs, report })
}

const timingDefaults: Required<FollowerTiming> = {
  pollMs: 2_000,
  reconnectMs: 500,
  reconnectMaxMs: 15_000,
  feedIdleMs: 20_000,
  gapJitterMs: 500,
  gapAfterMs: 30_000,
  snapshotMs: 5_000,
  acknowledgeMs: 5_000,
  rootCheckMs: 600_000,
}

// What is not one of ours is a defect, and must not end the following.
function coded(error: unknown): CodedError {
  if (isQipError(error)) return error
  return unavailable('following the trust state', error instanceof Error ? error.name : 'unknown')
}
