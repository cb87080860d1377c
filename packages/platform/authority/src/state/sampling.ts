import { type Clock, parseJson } from '@quantum-ip/base'
import { readMeta, writeMetaStatement } from '../store/meta.ts'
import type { Sql } from '../store/sql.ts'

/** How much is checked at the moment, over what configuration says: it only ever raises. */
export interface SamplingState {
  /** The least share of requests that get a deep check before they are answered, in percent; 0 where nobody raised it. */
  readonly percent: number
  /**
   * Whether an incident or a critical security event is open, or an operator raised the share: what policies read as `env.incident`.
   */
  readonly incident: boolean
  /** The newest open incident, if there is one. */
  readonly openIncident: number | null
  /** The open event, if there is one. */
  readonly event: number | null
  /** Why an operator raised it, until when (milliseconds; 0: until it is lowered), and who. */
  readonly reason: string | null
  readonly untilMs: number
  readonly by: string | null
}

/** What an operator asks for. */
export interface SamplingOrder {
  readonly percent: number
  readonly reason: string
  /** Milliseconds since 1970; 0: until it is lowered. */
  readonly untilMs: number
  readonly by: string
}

const place = 'sampling'
/** How often it is looked whether something has changed: an event, its end, another authority on the same store. */
const lookMs = 2_000

/** Raises the share of deep checks in the whole fleet: while an incident or a critical security event is open, or as an operator says. */
export class Sampling implements Disposable {
  readonly #sql: Sql
  readonly #clock: Clock
  readonly #onChange: (state: SamplingState) => void
  readonly #timer: NodeJS.Timeout
  #current: SamplingState = nothing

  private constructor(sql: Sql, clock: Clock, onChange: (state: SamplingState) => void) {
    this.#sql = sql
    this.#clock = clock
    this.#onChange = onChange
    // What cannot be read now is read the next time; meanwhile what was known holds.
    this.#timer = setInterval(() => void this.look().catch(() => undefined), lookMs).unref()
  }

  /** Opens it as it was left. `onChange` is told of every change from then on. */
  static async open(
    { sql, clock }: { readonly sql: Sql; readonly clock: Clock },
    onChange: (state: SamplingState) => void,
  ): Promise<Sampling> {
    const sampling = new Sampling(sql, clock, onChange)
    await sampling.look()
    return sampling
  }

  get current(): SamplingState {
    return this.#current
  }

  /** Raises the share, durably. */
  async raise(order: SamplingOrder): Promise<SamplingState> {
    await this.#sql.transact([writeMetaStatement(place, JSON.stringify(order))])
    return this.look()
  }

  /** Takes back what an operator raised. An incident or event that is open still counts. */
  async lower(): Promise<SamplingState> {
    await this.#sql.transact([writeMetaStatement(place, '')])
    return this.look()
  }

  /** Looks at what holds now. */
  async look(): Promise<SamplingState> {
    const text = await readMeta(this.#sql, place)
    const [event] = await this.#sql.query(
      "SELECT MAX(number) AS number FROM security_events WHERE state <> 'closed' AND severity = 'critical'",
    )
    const [open] = await this.#sql.query("SELECT MAX(number) AS number FROM incidents WHERE state = 'open'")
    const raised = text === undefined || text === '' ? undefined : orderOf(text)
    const holds = raised !== undefined && (raised.untilMs === 0 || raised.untilMs > this.#clock.now())
    const number = (event?.['number'] as number | null | undefined) ?? null
    const openIncident = (open?.['number'] as number | null | undefined) ?? null
    const next = {
      ...(holds ? raised : nothing),
      event: number,
      openIncident,
      incident: holds || number !== null || openIncident !== null,
    }
    const isNew = JSON.stringify(next) !== JSON.stringify(this.#current)
    this.#current = next
    if (isNew) this.#onChange(next)
    return next
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

const nothing: SamplingState = {
  percent: 0,
  incident: false,
  openIncident: null,
  event: null,
  reason: null,
  untilMs: 0,
  by: null,
}

// What was written by `raise`.
function orderOf(text: string): SamplingOrder {
  return parseJson(text) as unknown as SamplingOrder
}
