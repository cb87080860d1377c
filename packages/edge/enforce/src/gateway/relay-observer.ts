import type { StreamEnd } from '@quantum-ip/point'
import type { RelayProblem } from './problem.ts'

/** Hears what the relay does by itself. Its methods must be quick and must not throw. */
export interface RelayObserver {
  /** The relay refused a request, or failed to get an answer to it. */
  problem?(code: RelayProblem): void
  /** A request is over, tunnels included. `status` is 0 where no response head was sent. */
  finished?(exchange: {
    readonly upstream: string | undefined
    readonly status: number
    readonly durationMs: number
  }): void
  /** An open request was cut: its token ended or was revoked, its upstream died, or the gateway stopped. */
  cut?(cause: CutCause): void
}

/** Why an open request was cut. */
export type CutCause = StreamEnd | 'upstream' | 'client_idle' | 'body_too_large'
