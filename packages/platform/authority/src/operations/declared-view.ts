import type { Sql } from '../store/sql.ts'
import type { Incident } from './incident.ts'
import { Incidents } from './incidents.ts'
import { type DeclaredWindow, Windows } from './windows.ts'

/** What operators, or the authority itself, have declared. */
export interface Declared {
  /** The open incidents. */
  readonly incidents: readonly Pick<Incident, 'number' | 'severity'>[]
  /** The windows that are not over, those that are scheduled too. */
  readonly windows: readonly DeclaredWindow[]
}

const listedMax = 1_000

/** What is declared, as the store had it when it was last looked at: for metrics, which do not wait. */
export class DeclaredView {
  readonly #incidents: Incidents
  readonly #windows: Windows
  readonly #now: () => number
  #current: Declared = { incidents: [], windows: [] }

  constructor(sql: Sql, now: () => number) {
    this.#incidents = new Incidents(sql, { now })
    this.#windows = new Windows(sql, { now })
    this.#now = now
  }

  get current(): Declared {
    return this.#current
  }

  /** @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`; what was known holds on */
  async look(): Promise<Declared> {
    const [incidents, windows] = await Promise.all([
      this.#incidents.list({ state: 'open', limit: listedMax }),
      this.#windows.list({ untilAfterMs: this.#now(), limit: listedMax }),
    ])
    this.#current = { incidents, windows }
    return this.#current
  }
}
