import type { Clock } from '@quantum-ip/base'
import type { LoadCounter, OpenStreams, SharedLoad } from '@quantum-ip/point'
import type { Answer, Guard } from './decision.ts'
import type { RelayProblem } from './problem.ts'
import type { RelayObserver } from './relay-observer.ts'
import type { RelayLimits, RelayTimeouts } from './relay-options.ts'
import type { ReadingRules } from './request-head.ts'

/** What the parts of one relay share. */
export interface RelayCore {
  readonly guard: Guard
  readonly clock: Clock
  readonly timeouts: RelayTimeouts
  readonly limits: RelayLimits
  readonly observer: RelayObserver
  /** What a problem of the relay is answered with. */
  readonly problem: (code: RelayProblem, detail?: string) => Answer
  readonly rules: ReadingRules
  readonly upgrades: ReadonlySet<string>
  /** Values for `Via`: received as HTTP/1.1, and as HTTP/2. */
  readonly via1: string
  readonly via2: string
  /** Everything in flight in this thread. */
  readonly open: OpenStreams
  /** What all threads of this process count together. */
  readonly load: SharedLoad
  readonly inFlight: LoadCounter
  /** A graceful stop has begun: connections end after their response. */
  stopping: boolean
  /** Calls the observer, and whoever waits for the last one. */
  finished(exchange: {
    readonly upstream: string | undefined
    readonly status: number
    readonly durationMs: number
  }): void
}
