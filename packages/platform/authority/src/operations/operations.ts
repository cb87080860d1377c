import type { Acts } from '../acts.ts'
import type { AuthorityOptions } from '../authority-options.ts'
import type { AuthorityParts } from '../authority-parts.ts'
import { ByItself } from './by-itself.ts'
import { DeclaredView } from './declared-view.ts'
import { Incidents } from './incidents.ts'
import { Windows } from './windows.ts'

/** What people who run the fleet work with: incidents and windows. */
export interface Operations {
  readonly incidents: Incidents
  readonly windows: Windows
  /** What is declared, for those who do not wait. */
  readonly declared: DeclaredView
  /** Declares what nobody has to declare, and looks at what is. To be called every few seconds. */
  settle(): Promise<void>
  /** Forgets what is over for long. */
  maintain(): Promise<void>
}

const yearMs = 365 * 24 * 3_600_000

/** Opens the incidents and windows of an authority. They are kept for as long as security events. */
export function openOperations(
  { store: { sql }, clock }: Pick<AuthorityParts, 'store' | 'clock'>,
  { keepEventsMs = yearMs, onEvent }: Pick<AuthorityOptions, 'keepEventsMs' | 'onEvent'>,
  acts: Pick<Acts, 'record'>,
): Operations {
  const incidents = new Incidents(sql, clock)
  const windows = new Windows(sql, clock)
  const declared = new DeclaredView(sql, () => clock.now())
  const onIncident = (incident: number, event: number | undefined): void => {
    const detail = { incident, ...(event !== undefined && { event }) }
    onEvent?.(event === undefined ? 'incident_closed' : 'incident_opened', detail)
    // That it is there is durable already; its timeline says the same.
    const act = event === undefined ? 'incident-close' : 'incident-open'
    void acts.record('authority', act, detail).catch(() => undefined)
  }
  const byItself = new ByItself({ sql, clock, incidents, windows, onIncident })
  return {
    incidents,
    windows,
    declared,
    async settle() {
      await byItself.settle()
      await declared.look()
    },
    async maintain() {
      await incidents.prune(clock.now() - keepEventsMs)
      await windows.prune(clock.now() - keepEventsMs)
    },
  }
}
