import type { Clock } from '@quantum-ip/base'

/** A clock that stands still until a test moves it. */
export interface SimulatedClock extends Clock {
  /** Sets the time, backwards too: real clocks do that. */
  set(ms: number): void
  /** Moves the time by `ms`, which may be negative, and returns the new time. */
  advance(ms: number): number
}

/** The time at which simulations start by default: 2026-11-22T00:00:00Z, in milliseconds. */
export const simulationStartMs = Date.UTC(2026, 10, 22)

/** A {@link SimulatedClock} that shows `startMs`. */
export function simulatedClock(startMs: number = simulationStartMs): SimulatedClock {
  let nowMs = startMs
  return {
    now: () => nowMs,
    set(ms) {
      nowMs = ms
    },
    advance(ms) {
      nowMs += ms
      return nowMs
    },
  }
}
