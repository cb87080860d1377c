import { type Clock, systemClock } from '@quantum-ip/base'
import type { TrustStore } from '@quantum-ip/trust'
import type { FollowerEvent } from './follower-events.ts'
import { FallbackUpdater } from './lib/fallback-updater.ts'
import { isGap } from './lib/trust-updater.ts'
import { type Mirror, mirrorPlace } from './mirrors.ts'

/** What a puller works with. */
export interface TrustPullerOptions {
  /** An authority that takes the requester's word, or a mirror: asked first. */
  readonly place: Mirror
  /** Asked in this order while the first one is away. Default: none. */
  readonly mirrors?: readonly Mirror[]
  readonly store: TrustStore
  /** Default: the system's. */
  readonly clock?: Clock
  /** Age from which what a mirror gave is not enough. Default 300,000. */
  readonly staleAfterMs?: number
  /** Seconds of heads to begin with, and to bridge at most: older ones are asked for one by one. Default: all that a token can live. */
  readonly historyS?: number
  readonly onEvent?: (event: FollowerEvent) => void
  /** Told when the trust began anew: heads between what was held and what is held now are not known. */
  readonly onBegin?: () => void
}

/** Brings trust up to date when it is told to. */
export interface TrustPuller {
  /**
   * Asks once, and applies what there is. Returns whether it was new.
   *
   * @throws {ClientError} where nobody could be asked · {@link TrustError} for what does not verify
   */
  pull(): Promise<boolean>
}

const staleAfterDefaultMs = 300_000

/**
 * Trust without a feed and without timers: for whoever runs only while a request is there. All of it goes through the store, which
 * takes nothing that does not verify and nothing older.
 */
export function createTrustPuller(options: TrustPullerOptions): TrustPuller {
  const { place, mirrors = [], store, clock = systemClock, staleAfterMs = staleAfterDefaultMs } = options
  const { historyS, onEvent = () => undefined, onBegin } = options
  const updater = new FallbackUpdater({
    authority: mirrorPlace(place),
    mirrors,
    store,
    clock,
    staleAfterMs,
    historyS,
    report: onEvent,
    taken: ({ kind }) => {
      if (kind === 'base') onBegin?.()
    },
  })
  const catchUp = async (): Promise<true> => {
    await updater.catchUp()
    return true
  }
  return {
    async pull() {
      if (store.state === undefined) return catchUp()
      try {
        return await updater.poll()
      } catch (error) {
        if (!isGap(error)) throw error
        return catchUp()
      }
    },
  }
}
