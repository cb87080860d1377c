/** One use of a one-time token. */
export interface OneTimeUse {
  /** Origin of the token log. */
  readonly log: string
  readonly index: number
  /** The claims `exp` and `iat`, proved; seconds. */
  readonly expiresS: number
  readonly issuedS: number
  readonly nowMs: number
  /** The request's ID and the authenticated proxy that sent it: both, or there is no retry. */
  readonly requestId: string | undefined
  readonly proxy: string | undefined
}

/**
 * - `fresh`: this call, and no other, has used the token
 * - `fresh_here`: as `fresh`, but among this instance's calls alone: what is shared is away, and configuration says to go on
 * - `replayed`: it was used before
 * - `retry`: it was used before by the same request over the same named proxy, within the window
 * - `unavailable`: cannot say
 */
export type ReplayOutcome = 'fresh' | 'fresh_here' | 'replayed' | 'retry' | 'unavailable'

/**
 * Remembers one-time tokens. A guard answers `fresh` at most once for one (log, index), whatever
 * threads and instances share it, and `unavailable` whenever it cannot promise that; `fresh_here` only if it
 * was told to by name.
 */
export interface ReplayGuard {
  /** What is promised: once in everything that shares this guard, or once in this instance. */
  readonly scope: 'shared' | 'instance'
  /**
   * Whether its answers may have to be waited for: then it is not asked where too many wait already, and the token is not used
   * up by a request that is shed. Default true.
   */
  readonly waits?: boolean
  /** Uses the token. Synchronous where the memory is local. */
  consume(use: OneTimeUse): ReplayOutcome | Promise<ReplayOutcome>
  /**
   * Shows the guard the log sizes of each verified, fresh trust state. The first one after its memory began sets the
   * floors: what a log held by then may have been used before.
   */
  observe(state: ObservedState): void
  /** Whether the guard can answer at all: for a health check. */
  ready(): boolean
}

/** What a guard needs of a trust state. */
export interface ObservedState {
  /** When the authority signed it; milliseconds. */
  readonly timeMs: number
  readonly logs: ReadonlyMap<string, { readonly size: number }>
}
