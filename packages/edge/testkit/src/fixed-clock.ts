import type { Clock } from '@quantum-ip/base'

/** A clock that stands still until it is moved. */
export interface FixedClock extends Clock {
  /** Moves it; milliseconds, and back with a negative number. */
  advance(ms: number): void
}

/** Noon of the first day of 2026, UTC: when a {@link fixedClock} stands unless told otherwise. */
export const fixedClockStartMs = 1_767_268_800_000

/**
 * A clock for tests, standing at `startMs` (milliseconds since 1970).
 *
 * @example
 * fixedClock(1_000).now() // => 1000
 */
export function fixedClock(startMs: number = fixedClockStartMs): FixedClock {
  let nowMs = startMs
  return {
    now: () => nowMs,
    advance(ms) {
      nowMs += ms
    },
  }
}
