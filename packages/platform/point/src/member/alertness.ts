import type { RaisedSampling } from '@quantum-ip/client'

/** What raises the share of deep checks at the moment: the authority's word, and what configuration says about incidents. */
export class Alertness {
  readonly #incidentShare: number
  #raised: RaisedSampling = { percent: 0, untilMs: 0, eventOpen: false }

  /** `incidentShare`: the least share, 0 to 1, while a critical security event is open. */
  constructor(incidentShare: number) {
    this.#incidentShare = incidentShare
  }

  take(raised: RaisedSampling): void {
    this.#raised = raised
  }

  /** Whether something is going on: an operator raised the share, or a critical security event is open. */
  get incident(): boolean {
    return this.#raised.eventOpen || this.#percent() > 0
  }

  /** The least share, 0 to 1. */
  get share(): number {
    return Math.max(this.#percent() / 100, this.#raised.eventOpen ? this.#incidentShare : 0)
  }

  // What an operator raised ends at its time, also while the authority is away.
  #percent(): number {
    const { percent, untilMs } = this.#raised
    return untilMs === 0 || untilMs > Date.now() ? percent : 0
  }
}
