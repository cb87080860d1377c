import type { PointAnswer, StreamTerms } from '@quantum-ip/point'
import type { RequestHead } from './request-head.ts'
import type { Upstream } from './upstream.ts'

/** Forward the request. */
export interface Pass {
  readonly action: 'pass'
  readonly upstream: Upstream
  /** Fields to append, flat: name, value, name, value. Reserved fields are only forwarded if they are in here. */
  readonly fields?: readonly string[]
  readonly terms?: StreamTerms
  /** Called exactly once, when nothing of this request is in flight any more. */
  readonly release?: () => void
}

/** Answer here; nothing reaches an upstream. */
export type Answer = PointAnswer

/** What a {@link Guard} says about a request. Quarantine is a {@link Pass} to another upstream, or one with `release`. */
export type Decision = Pass | Answer

/**
 * Decides about each request before anything of it reaches an upstream.
 *
 * It sees the request as it arrived, before any rewriting, and what it doesn't see is not forwarded:
 * requests with two readings are refused before it is asked. If it throws or rejects, the request is
 * answered with 500 and goes nowhere.
 */
export type Guard = (request: RequestHead) => Decision | Promise<Decision>
