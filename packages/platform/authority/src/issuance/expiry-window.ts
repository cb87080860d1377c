import { limits } from '@quantum-ip/base'
import { singleSubtreeMax, type Subtree } from '@quantum-ip/log'

/** A covering subtree begins less than this many leaves before its batch (see `coverBatch`). */
const windowLeaves = 2 * singleSubtreeMax

/**
 * The expiries of the last leaves of a token log: a head is of use until the last token under it ends, and a covering subtree
 * may reach back before its batch.
 */
export class ExpiryWindow {
  readonly #expiries = new Float64Array(windowLeaves)
  #from: number
  #end: number

  /** @param size the size of the log as it is opened; the expiries of these leaves are not known */
  constructor(size: number) {
    this.#from = size
    this.#end = size
  }

  /** Takes in the expiries of the next leaves, seconds. Leaves that were left out before `start` are not known. */
  push(start: number, expiries: readonly number[]): void {
    if (start !== this.#end) {
      this.#from = start
      this.#end = start
    }
    for (const expiry of expiries) this.#expiries[this.#end++ % windowLeaves] = expiry
  }

  /** The latest expiry under `subtree`. Of leaves that are not known it is taken to be as late as it can be. */
  latest({ start, end }: Subtree, nowS: number): number {
    const known = Math.max(this.#from, this.#end - windowLeaves)
    let latest = start < known ? nowS + limits.tokenTtlMaxS : 0
    for (let i = Math.max(start, known); i < end; i++) {
      latest = Math.max(latest, this.#expiries[i % windowLeaves] as number)
    }
    return latest
  }
}
