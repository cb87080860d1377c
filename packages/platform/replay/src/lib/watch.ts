import type { Clock } from '@quantum-ip/base'
import { ReplayError } from '../replay-errors.ts'
import type { ReplayFault, ReplayObserver } from '../replay-observer.ts'
import { within } from './deadline.ts'
import { type Memory, type Partition, parseMemory } from './partition.ts'
import type { RedisStore } from './redis-store.ts'
import { lookScript, skewMsMax } from './scripts.ts'
import { memoryKey } from './token-key.ts'

/** What a {@link Watch} works with. */
export interface WatchOptions {
  readonly store: RedisStore
  readonly parts: readonly Partition[]
  readonly observer: ReplayObserver
  readonly clock: Clock
  readonly newId: () => string
  readonly marginMs: string
  readonly everyMs: number
}

// For one look; longer than for a check, since nobody waits for it.
const lookMs = 1_000
// Until the next look where the last one found something wrong.
const againMs = 250
// The partitions begin anew one after the other: that is one event.
const burstMs = 10_000

/**
 * Looks at each partition again and again, and at once when a connection is made: does Redis evict, do the clocks agree, does the memory go
 * on? Nothing is asked of a partition before it was looked at.
 */
export class Watch {
  readonly #options: WatchOptions
  readonly #first = Promise.withResolvers<ReplayError | undefined>()
  readonly #skewed = new Set<Partition>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  #isLooking = false
  // Whether something changed while it looked.
  #again = false
  #told: ReplayFault | undefined
  #raisedAt = { cause: '', ms: Number.NEGATIVE_INFINITY }

  constructor(options: WatchOptions) {
    this.#options = options
    this.#later()
  }

  /** The first look: why Redis is not fit, or nothing; nothing, too, if it does not answer in time. */
  first(withinMs: number): Promise<ReplayError | undefined> {
    return within(this.#first.promise, withinMs)
  }

  /** A connection was made. What is at its other end is looked at before it is asked. */
  connected(): void {
    for (const part of this.#options.parts)
      if (part.fault === undefined || part.fault === 'away') part.fault = 'unchecked'
    void this.#look()
  }

  /** A connection was lost or not made; `isAll`: there is no other. */
  failed(error: Error, isAll: boolean): void {
    if (isAll) for (const part of this.#options.parts) part.fault = 'away'
    const denied = deniedBy(error)
    if (denied !== undefined) this.#first.resolve(denied)
    this.#tell('away', `shared replay store: ${wordsOf(error)}`)
  }

  /** A check found the clocks apart. */
  clockIsOff(part: Partition): void {
    part.fault = 'clock'
    this.#skewed.add(part)
    this.#tell('clock', 'shared replay store: its clock and this one are more than a minute apart')
  }

  /** Takes note of a partition's memory; if it began anew, the others probably did, too. */
  note(part: Partition, memory: Memory): void {
    const knew = part.replid !== ''
    if (!part.note(memory) || !knew) return
    this.#raised(memory)
    void this.#look()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#first.resolve(undefined)
  }

  async #look(): Promise<void> {
    this.#again = this.#isLooking
    if (this.#isLooking || this.#isClosed) return
    this.#isLooking = true
    clearTimeout(this.#timer)
    do {
      this.#again = false
      await Promise.all(this.#options.parts.map((part, at) => this.#lookAt(part, at)))
    } while (this.#again && !this.#isClosed)
    this.#isLooking = false
    if (this.#isFit()) this.#first.resolve(undefined)
    this.#later()
  }

  #isFit(): boolean {
    return this.#options.parts.every(({ fault }) => fault === undefined)
  }

  #later(): void {
    if (this.#isClosed) return
    const { everyMs } = this.#options
    this.#timer = setTimeout(
      () => void this.#look(),
      this.#isFit() ? everyMs : Math.min(everyMs, againMs),
    ).unref()
  }

  async #lookAt(part: Partition, at: number): Promise<void> {
    const { store, clock, newId, marginMs } = this.#options
    const beginMs = this.#skewed.has(part) ? clock.now() : 0
    const args = [newId(), String(clock.now()), marginMs, part.replid, String(beginMs)]
    let reply: unknown
    try {
      reply = await within(store.run(lookScript, [memoryKey(at)], args), lookMs)
    } catch (error) {
      this.#lookFailed(part, error)
      return
    }
    if (!Array.isArray(reply)) {
      part.fault = 'away'
      this.#tell('away', 'shared replay store: it does not answer')
      return
    }
    this.#judge(part, reply, args[0])
  }

  #lookFailed(part: Partition, error: unknown): void {
    const denied = deniedBy(error)
    if (wordsOf(error).includes('QIPCLOCK')) {
      this.clockIsOff(part)
    } else {
      part.fault = 'away'
      this.#tell('away', `shared replay store: ${wordsOf(error)}`)
    }
    if (denied !== undefined) this.#first.resolve(denied)
  }

  #judge(part: Partition, [text, policy, timeMs]: readonly unknown[], ownId: string | undefined): void {
    const memory = parseMemory(text)
    if (memory === undefined) {
      part.fault = 'away'
      return
    }
    const knew = part.replid !== ''
    if (part.note(memory) && (knew || memory.id === ownId)) this.#raised(memory)
    if (policy !== 'noeviction') {
      part.fault = 'evicts'
      this.#first.resolve(new ReplayError('QIP_REPLAY_EVICTS', { policy: String(policy) }))
      this.#tell(
        'evicts',
        'shared replay store: its maxmemory-policy lets it forget; one-time tokens are refused',
      )
      return
    }
    if (Math.abs(Number(timeMs) - this.#options.clock.now()) > skewMsMax) {
      this.clockIsOff(part)
      return
    }
    this.#skewed.delete(part)
    part.fault = undefined
    if (this.#isFit()) this.#recovered()
  }

  #raised({ cause }: Memory): void {
    const ms = performance.now()
    if (this.#raisedAt.cause === cause && ms - this.#raisedAt.ms < burstMs) return
    this.#raisedAt = { cause, ms }
    this.#options.observer.floorRaised(cause)
    if (cause !== 'new')
      this.#options.observer.event(
        `shared replay store: its memory began anew (${cause}); older one-time tokens are refused`,
      )
  }

  #recovered(): void {
    if (this.#told === undefined) return
    this.#told = undefined
    this.#options.observer.event('shared replay store: it answers')
  }

  // Each state is told once, not with each attempt.
  #tell(fault: ReplayFault, text: string): void {
    if (this.#told === fault || this.#isClosed) return
    this.#told = fault
    this.#options.observer.event(text)
  }
}

function deniedBy(error: unknown): ReplayError | undefined {
  const words = wordsOf(error)
  if (/^(?:WRONGPASS|NOAUTH|NOPERM|ERR AUTH)|ACL failure|can't run this command/.test(words))
    return new ReplayError('QIP_REPLAY_DENIED', { reason: words })
  if (words.includes('syntax error')) return new ReplayError('QIP_REPLAY_TOO_OLD', { version: 'before 7.0' })
  return undefined
}

// What a server or a socket says: never the address with its password.
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return error.message === '' ? ((error as NodeJS.ErrnoException).code ?? error.name) : error.message
}
