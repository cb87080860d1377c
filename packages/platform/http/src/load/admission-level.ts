/** How much it matters that a request is served, the most first: tiers of services, kinds of routes. */
export const loadPriorities = ['critical', 'standard', 'low'] as const

/** One of {@link loadPriorities}. */
export type LoadPriority = (typeof loadPriorities)[number]

/** How finely each priority is let in: so that a tier is shed by shares, and not all of it at once. */
const stepsPerPriority = 64
const stepsAll = loadPriorities.length * stepsPerPriority
/** So much is let in whatever happens: with nothing let in, nobody would see that it is better. */
const stepsMin = 4
/** How fast more is let in again, per window. */
const raiseStepsMax = 12
const raiseShare = 0.1
/** How much less is let in, per window: the more the later, between these two. */
const cutShareMin = 0.05
const cutShareMax = 0.4
/** What a request that is shed costs of one that is let in: it is read, routed and answered too. */
const shedCost = 0.3
/** Where what is let in is a smaller part of the work than this, shedding more of the highest priority helps nobody. */
const worthShare = 0.5
/** A queue that shrinks by as much per window needs no further cut: it only has to drain. */
const drainingShare = 0.9
/** Of the steps, where nothing was counted that could say more. */
const blindCutSteps = 8

/**
 * Which requests are let in while there are too many: those of low priority give way first, and of one priority a share.
 *
 * A level, moved once per window by what was counted in it (the admission control of WeChat, "Overload Control for Scaling
 * WeChat Microservices", SoCC 2018): below the level everything is let in, above it nothing. Pure: it is told how late work is.
 */
export class AdmissionLevel {
  readonly #arrived = new Uint32Array(stepsAll)
  readonly #draws = new Uint32Array(loadPriorities.length)
  #admitted = 0
  #shed = 0
  #level = stepsAll
  #delayMs = 0

  /** What is let in of each priority at present, 0 to 1. */
  shareOf(priority: number): number {
    const share = (this.#level - priority * stepsPerPriority) / stepsPerPriority
    return Math.min(1, Math.max(0, share))
  }

  /** Whether a request of this priority (its place in {@link loadPriorities}) is let in. */
  admit(priority: number): boolean {
    // An odd stride meets every step once in a round: shares are even, and nobody can choose a good step.
    const draw = ((this.#draws[priority] ?? 0) + 39) % stepsPerPriority
    this.#draws[priority] = draw
    const step = priority * stepsPerPriority + draw
    this.#arrived[step] = (this.#arrived[step] ?? 0) + 1
    if (step >= this.#level) {
      this.#shed++
      return false
    }
    this.#admitted++
    return true
  }

  /**
   * Ends a window in which work was never less than `delayMs` late: moves the level, and counts anew. `isBusy`: whether the thread
   * itself was at work for most of it; where it was not, the machine is slow, and the highest priority is not shed for that.
   */
  endWindow(delayMs: number, targetMs: number, isBusy = true): void {
    if (delayMs < targetMs / 2) this.#raise()
    else if (delayMs > targetMs && delayMs > this.#delayMs * drainingShare)
      this.#lower(delayMs / targetMs, isBusy)
    this.#delayMs = delayMs
    this.#arrived.fill(0)
    this.#admitted = 0
    this.#shed = 0
  }

  #lower(excess: number, isBusy: boolean): void {
    const cut = Math.min(cutShareMax, Math.max(cutShareMin, cutShareMin * excess))
    const floor = this.#floor(isBusy)
    if (this.#admitted === 0) {
      this.#level = Math.max(floor, this.#level - blindCutSteps)
      return
    }
    let left = this.#admitted
    while (this.#level > floor && left > this.#admitted * (1 - cut)) {
      this.#level--
      left -= this.#arrived[this.#level] ?? 0
    }
  }

  // The highest priority is shed only where it is itself what is too much: not for a flood of others, or a machine that is slow.
  #floor(isBusy: boolean): number {
    const isWorth = this.#admitted > worthShare * (this.#admitted + this.#shed * shedCost)
    return Math.min(this.#level, isBusy && isWorth && this.#admitted > 0 ? stepsMin : stepsPerPriority)
  }

  // At least one step, or a level at which every step is busy would never rise.
  #raise(): void {
    const most = this.#admitted * (1 + raiseShare)
    let sum = this.#admitted
    for (let raised = 0; raised < raiseStepsMax && this.#level < stepsAll; raised++) {
      sum += this.#arrived[this.#level] ?? 0
      if (raised > 0 && sum > most) return
      this.#level++
    }
  }
}
