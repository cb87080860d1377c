/** How waits grow from attempt to attempt. */
export interface Backoff {
  /** Milliseconds before the first repetition, at most. */
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * The wait before repetition number `attempt`, from 1: doubled each time, and of that a random half to whole, so that many
 * clients who failed in the same moment do not come back in the same moment.
 */
export function backoffMs({ firstMs, maxMs }: Backoff, attempt: number): number {
  const whole = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 30))
  return whole * (0.5 + Math.random() / 2)
}

/** A duration, shorter by a random share of up to `spread`. */
export function jittered(ms: number, spread: number): number {
  return ms * (1 - Math.random() * spread)
}
