import { type Clock, type CodedError, isQipError } from '@quantum-ip/base'
import type { TrustStore } from '@quantum-ip/trust'
import type { FollowerEvent } from '../follower-events.ts'
import { hurriedPlace, type Mirror, mirrorPlace, type TrustPlace } from '../mirrors.ts'
import type { TakenDocument } from '../taken-document.ts'
import { unavailable } from './failure.ts'
import { isGap, type TrustStep, TrustUpdater } from './trust-updater.ts'

/** What trust is brought from, and into. */
export interface FallbackOptions {
  readonly authority: TrustPlace
  readonly mirrors: readonly Mirror[]
  readonly store: TrustStore
  readonly clock: Clock
  readonly staleAfterMs: number
  readonly report: (event: FollowerEvent) => void
  readonly taken?: ((document: TakenDocument) => void) | undefined
  /** As for {@link TrustUpdater}. */
  readonly historyS?: number | undefined
}

interface Asked {
  readonly url: string
  readonly updater: TrustUpdater
}

/**
 * Brings trust from the authority, and while that is away from its mirrors, one after the other until one of them has something new. All
 * of it goes through the store: a mirror that lags or replays changes nothing, and one that forges is passed over.
 */
export class FallbackUpdater {
  readonly #options: FallbackOptions
  readonly #authority: TrustUpdater
  readonly #mirrors: readonly Asked[]
  /** The mirror that gave something last; told only where that changes. */
  #used: string | undefined

  constructor(options: FallbackOptions) {
    const { authority, mirrors, store, clock, taken, historyS } = options
    this.#options = options
    const updaterOf = (place: TrustPlace) => new TrustUpdater(place, store, { clock, taken, historyS })
    this.#authority = updaterOf(mirrors.length === 0 ? authority : hurriedPlace(authority))
    this.#mirrors = mirrors.map((mirror) => ({ url: mirror.url, updater: updaterOf(mirrorPlace(mirror)) }))
  }

  /** How far this clock was ahead of the authority's; what mirrors say is no measure of it. */
  get clockOffsetMs(): number | undefined {
    return this.#authority.clockOffsetMs
  }

  /** Applies what the authority's feed brought. */
  async step(step: TrustStep): Promise<boolean> {
    const isNew = await this.#authority.step(step)
    this.#used = undefined
    return isNew
  }

  walkRoot(): Promise<void> {
    return this.#authority.walkRoot()
  }

  /** Asks for the newest state. Returns whether it was new. @throws as the authority's failure, where no mirror helped either */
  poll(headGap: 'accept' | 'refuse' = 'refuse'): Promise<boolean> {
    return this.#orMirrors(
      (updater) => updater.poll(headGap),
      async (updater) => {
        try {
          return await updater.poll(headGap)
        } catch (error) {
          if (!isGap(error)) throw error
          await updater.catchUp()
          return true
        }
      },
    )
  }

  /** Everything since what is held. @throws as the authority's failure, where no mirror helped either */
  async catchUp(): Promise<void> {
    const { store, clock, staleAfterMs } = this.#options
    const caughtUp = async (updater: TrustUpdater): Promise<boolean> => {
      await updater.catchUp()
      // What a mirror replays may be old: the next one may have better.
      return store.staleness(clock.now(), staleAfterMs) === undefined
    }
    await this.#orMirrors(
      async (updater) => {
        await updater.catchUp()
        return true
      },
      (updater) => caughtUp(updater),
    )
  }

  async #orMirrors(
    ask: (updater: TrustUpdater) => Promise<boolean>,
    askMirror: (updater: TrustUpdater) => Promise<boolean>,
  ): Promise<boolean> {
    try {
      const isNew = await ask(this.#authority)
      this.#used = undefined
      return isNew
    } catch (error) {
      if (this.#mirrors.length === 0 || !isAway(error)) throw error
      return this.#askMirrors(error, askMirror)
    }
  }

  async #askMirrors(failure: unknown, ask: (updater: TrustUpdater) => Promise<boolean>): Promise<boolean> {
    const { report, store } = this.#options
    let isAnswered = false
    for (const { url, updater } of this.#mirrors) {
      try {
        const isNew = await ask(updater)
        isAnswered = true
        if (!isNew) continue
        if (this.#used !== url) report({ kind: 'mirror_used', mirror: url, seq: store.state?.seq ?? 0 })
        this.#used = url
        return true
      } catch (error) {
        report({ kind: 'mirror_failed', mirror: url, error: coded(error) })
      }
    }
    if (!isAnswered) throw failure
    return false
  }
}

/** Whether nobody could be asked; an authority that answers no is not away. */
function isAway(error: unknown): boolean {
  return (
    isQipError(error, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE') || isQipError(error, 'QIP_CLIENT_CHANNEL_REFUSED')
  )
}

// What a mirror sends may fail in any parser on the way.
function coded(error: unknown): CodedError {
  if (isQipError(error)) return error
  return unavailable('the trust state', error instanceof Error ? error.name : 'unknown')
}
