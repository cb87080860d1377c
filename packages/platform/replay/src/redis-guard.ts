import { base64url, type Clock, limits, type Random, systemClock, systemRandom } from '@quantum-ip/base'
import type { ObservedState, OneTimeUse, ReplayGuard, ReplayOutcome } from '@quantum-ip/verifier'
import { within } from './lib/deadline.ts'
import { type Memory, Partition, parseMemory } from './lib/partition.ts'
import { openRedisStore, type RedisStore } from './lib/redis-store.ts'
import { checkScript, skewMsMax } from './lib/scripts.ts'
import { memoryKey, partitionOf, partitions, retryTag, tokenKey } from './lib/token-key.ts'
import { Watch } from './lib/watch.ts'
import { ReplayError } from './replay-errors.ts'
import type { RedisTarget } from './redis-target.ts'
import { type ReplayFault, type ReplayObserver, silentReplayObserver } from './replay-observer.ts'

/** How a {@link RedisGuard} behaves. All verifiers that share a Redis should agree. */
export interface RedisGuardOptions {
  readonly redis: RedisTarget
  /** For one check; then the outcome is `unavailable`, and the token counts as used. Default 50. */
  readonly timeoutMs?: number | undefined
  /** How long a named proxy may repeat a request with its token. Default 0: never. */
  readonly retryWindowMs?: number | undefined
  /**
   * After another primary took over: how long a deposed one may still have answered others. What was issued before the
   * end of it is refused. Default 30,000.
   */
  readonly marginMs?: number | undefined
  /** How far the authority's clock may be ahead of this one. Default 1,000. */
  readonly floorSkewMs?: number | undefined
  /** Between two looks at eviction, clock and primary. Default 5,000. */
  readonly watchMs?: number | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
  readonly observer?: ReplayObserver | undefined
}

/** What a guard knows of its Redis, for health checks. */
export interface RedisGuardStatus {
  /** Whether one-time tokens that are issued now can be judged. */
  readonly ready: boolean
  /** Why not, or for which share of the tokens not. */
  readonly fault: ReplayFault | undefined
}

/** How long {@link openRedisGuard} waits for the first answer. */
const openMs = 1_000

/**
 * Opens a replay guard on a Redis that other verifiers share.
 *
 * A Redis that cannot be reached now is no error: one-time tokens are `unavailable` until it can be. One that is reached and is not
 * fit is.
 *
 * @throws {ReplayError} `QIP_REPLAY_URL_INVALID`, `QIP_REPLAY_OPTION_INVALID`, `QIP_REPLAY_DENIED`, `QIP_REPLAY_EVICTS`, `QIP_REPLAY_TOO_OLD`.
 */
export async function openRedisGuard(options: RedisGuardOptions): Promise<RedisGuard> {
  const guard = new RedisGuard(options)
  const unfit = await guard.opened(openMs)
  if (unfit === undefined) return guard
  guard.close()
  throw unfit
}

/**
 * A replay guard in a Redis or Redis Cluster: a one-time token passes once among all verifiers that share it.
 *
 * INVARIANT: `fresh` is decided by one script in one server that at the same time sees that it still is the primary under which the
 * memory of the token's partition began, and that the token was issued after that. Everything else is refused.
 */
export class RedisGuard implements ReplayGuard {
  readonly scope = 'shared'
  readonly #store: RedisStore
  readonly #watch: Watch
  readonly #parts: readonly Partition[]
  readonly #observer: ReplayObserver
  readonly #clock: Clock
  readonly #random: Random
  readonly #timeoutMs: number
  readonly #retryWindowMs: string
  readonly #marginMs: string
  readonly #floorSkewMs: number

  /** Use {@link openRedisGuard}. */
  constructor(options: RedisGuardOptions) {
    this.#timeoutMs = atLeast(1, 'timeoutMs', options.timeoutMs ?? 50)
    this.#retryWindowMs = String(atLeast(0, 'retryWindowMs', options.retryWindowMs ?? 0))
    this.#marginMs = String(atLeast(0, 'marginMs', options.marginMs ?? 30_000))
    this.#floorSkewMs = atLeast(0, 'floorSkewMs', options.floorSkewMs ?? 1_000)
    this.#observer = options.observer ?? silentReplayObserver
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? systemRandom
    this.#parts = Array.from({ length: partitions }, () => new Partition())
    this.#store = openRedisStore(options.redis, {
      connected: () => this.#watch.connected(),
      failed: (error, isAll) => this.#watch.failed(error, isAll),
    })
    this.#watch = new Watch({
      store: this.#store,
      parts: this.#parts,
      observer: this.#observer,
      clock: this.#clock,
      newId: () => this.#newId(),
      marginMs: this.#marginMs,
      everyMs: atLeast(10, 'watchMs', options.watchMs ?? 5_000),
    })
  }

  /** Waits for the first look at Redis; returns why it is not fit, where it is not. Part of opening. */
  opened(withinMs: number): Promise<ReplayError | undefined> {
    return this.#watch.first(withinMs)
  }

  observe(state: ObservedState): void {
    for (const part of this.#parts) part.observe(state, this.#floorSkewMs)
  }

  ready(): boolean {
    return this.status().ready
  }

  /** Why one-time tokens cannot be judged, where they cannot. */
  status(): RedisGuardStatus {
    const nowMs = this.#clock.now()
    const toleranceMs = limits.clockToleranceS * 1_000
    const shut = this.#parts.find((part) => !part.isOpen(nowMs, toleranceMs))
    return { ready: shut === undefined, fault: shut && (shut.fault ?? 'floor') }
  }

  consume(use: OneTimeUse): Promise<ReplayOutcome> | ReplayOutcome {
    const startedMs = performance.now()
    const at = partitionOf(use)
    const part = this.#parts[at] as Partition
    const fault = part.fault ?? (part.breaker.admit(startedMs) ? undefined : 'open')
    if (fault === undefined) return this.#ask(use, at, startedMs)
    return this.#fail(fault, startedMs)
  }

  /** Ends the connections. What is under way fails. */
  close(): void {
    this.#watch.close()
    this.#store.close()
  }

  async #ask(use: OneTimeUse, at: number, startedMs: number): Promise<ReplayOutcome> {
    const part = this.#parts[at] as Partition
    const asked = this.#store.run(checkScript, [memoryKey(at), tokenKey(at, use)], this.#argsOf(use, part))
    let reply: unknown
    try {
      reply = await within(asked, this.#timeoutMs)
    } catch {
      part.breaker.failed(startedMs, performance.now())
      return this.#fail('away', startedMs)
    }
    if (reply === undefined) {
      part.breaker.failed(startedMs, performance.now())
      return this.#fail('timeout', startedMs)
    }
    part.breaker.succeeded()
    if (reply === 'fresh' || reply === 'replayed' || reply === 'retry') {
      this.#observer.check(reply, performance.now() - startedMs)
      return reply
    }
    return this.#refuse(reply, part, startedMs)
  }

  #argsOf(use: OneTimeUse, part: Partition): string[] {
    const { clockToleranceS } = limits
    const keepMs = (use.expiresS + clockToleranceS) * 1_000 + skewMsMax
    return [
      String(use.issuedS * 1_000),
      String(keepMs),
      this.#retryWindowMs === '0' ? '' : retryTag(use),
      this.#retryWindowMs,
      part.clearOf(use),
      String(clockToleranceS * 1_000),
      this.#newId(),
      String(use.nowMs),
      this.#marginMs,
      part.replid,
    ]
  }

  #refuse(reply: unknown, part: Partition, startedMs: number): ReplayOutcome {
    if (reply === 'clock') {
      this.#watch.clockIsOff(part)
      return this.#fail('clock', startedMs)
    }
    const memory: Memory | undefined = Array.isArray(reply) ? parseMemory(reply[1]) : undefined
    if (memory !== undefined) this.#watch.note(part, memory)
    return this.#fail(memory === undefined ? 'away' : 'floor', startedMs)
  }

  #fail(fault: ReplayFault, startedMs: number): ReplayOutcome {
    this.#observer.fault(fault)
    this.#observer.check('unavailable', performance.now() - startedMs)
    return 'unavailable'
  }

  #newId(): string {
    return base64url(this.#random.bytes(12))
  }
}

function atLeast(min: number, option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= min) return value
  throw new ReplayError('QIP_REPLAY_OPTION_INVALID', {
    option,
    reason: `is not a whole number from ${min} up`,
  })
}
