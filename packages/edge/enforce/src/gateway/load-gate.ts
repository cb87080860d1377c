import { type LoadPriority, type LoadShedder, loadPriorities } from '@quantum-ip/http'
import type { LoadCounter } from '@quantum-ip/point'
import type { ShedCause } from '@quantum-ip/telemetry'

/** The share of `inFlightMax` that each priority may fill: what is above it is kept for those that matter more. */
const shareOfInFlight: { readonly [priority in LoadPriority]: number } = {
  critical: 1,
  standard: 0.9,
  low: 0.8,
}

/** The share of `inFlightMax` that may wait for the answer that they were shed. */
const heldShare = 0.25

/** What a gate is made of. */
export interface LoadGateParts {
  /** Absent: nothing is shed for delay. */
  readonly shedder: LoadShedder | undefined
  readonly inFlight: LoadCounter
  readonly inFlightMax: number
}

/** The place of a tier among the priorities; a service without one is `standard`. */
export function priorityOf(tier: string | undefined): number {
  const place = (loadPriorities as readonly string[]).indexOf(tier ?? 'standard')
  return place < 0 ? loadPriorities.indexOf('standard') : place
}

/** Lets requests in by the tier of their service, before anything is spent on them. */
export class LoadGate {
  readonly #parts: LoadGateParts
  readonly #maxima: readonly number[]
  #held = 0

  constructor(parts: LoadGateParts) {
    this.#parts = parts
    this.#maxima = loadPriorities.map((priority) => Math.ceil(parts.inFlightMax * shareOfInFlight[priority]))
  }

  /** Why a request of this priority is shed; `undefined` lets it in. The request itself is in flight already. */
  refuse(priority: number): ShedCause | undefined {
    const { shedder, inFlight } = this.#parts
    if (inFlight.value > (this.#maxima[priority] ?? 0)) return 'in_flight'
    if (shedder !== undefined && !shedder.admit(priority)) return 'delay'
    return undefined
  }

  /**
   * Resolves when a request that was shed is to be answered: `undefined` for at once. Who is shed for delay waits a moment, so that
   * clients that ask again at once do not keep the thread busy with refusals.
   */
  pause(cause: ShedCause): Promise<void> | undefined {
    const { shedder, inFlightMax } = this.#parts
    if (shedder === undefined || cause !== 'delay' || this.#held >= inFlightMax * heldShare) return undefined
    this.#held++
    return shedder.pause().then(() => {
      this.#held--
    })
  }
}
