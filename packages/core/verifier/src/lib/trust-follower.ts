import type { TrustView } from '@quantum-ip/trust'
import type { ReplayGuard } from '../replay-guard.ts'
import type { ProvisionalHeads } from './provisional-heads.ts'

/** What follows the trust state. */
export interface TrustFollowerParts {
  readonly trust: TrustView
  readonly staleAfterMs: number
  readonly heads: ProvisionalHeads
  readonly replay: ReplayGuard | undefined
}

/** Passes on what a new trust state changes: which heads are listed, and where the replay memory begins. */
export class TrustFollower {
  readonly #parts: TrustFollowerParts
  #stateMs = Number.NaN

  constructor(parts: TrustFollowerParts) {
    this.#parts = parts
  }

  /** Called with each request, and at once with `isAnnounced` where new states are announced. */
  follow(nowMs: number, isAnnounced = false): void {
    const { trust, heads, replay, staleAfterMs } = this.#parts
    const stateMs = nowMs - trust.ageMs(nowMs)
    const isNew = isAnnounced || stateMs !== this.#stateMs
    heads.reconcile(nowMs, stateMs, isNew)
    if (!isNew) return
    this.#stateMs = stateMs
    if (replay === undefined) return
    if (trust.staleness(nowMs, staleAfterMs) !== undefined) return
    replay.observe({ timeMs: stateMs, logs: logSizes(trust) })
  }
}

// Sizes of the logs that tokens of this trust domain can be in.
function logSizes(trust: TrustView): ReadonlyMap<string, { readonly size: number }> {
  const sizes = new Map<string, { readonly size: number }>()
  for (const { log } of [...trust.keysOf('qip-token'), ...trust.keysOf('qip-jwt')]) {
    const size = log === undefined ? -1 : trust.logSize(log)
    if (log !== undefined && size >= 0) sizes.set(log, { size })
  }
  return sizes
}
