import type { AuthorityOptions } from '../authority-options.ts'
import type { AuthorityParts } from '../authority-parts.ts'
import type { PolicyReports } from './policy-reports.ts'
import { Promotions } from './promotions.ts'

/** What promotions need of an authority. */
export interface PromotionGrounds extends Pick<
  AuthorityParts,
  'store' | 'clock' | 'policies' | 'fleet' | 'publisher' | 'detection'
> {
  readonly reports: PolicyReports
}

/** The promotions of an authority, over its parts. */
export function openPromotions(options: AuthorityOptions, grounds: PromotionGrounds): Promotions {
  const { store, clock, policies, fleet, reports, publisher, detection } = grounds
  return new Promotions({
    sql: store.sql,
    clock,
    policies,
    fleet,
    reports,
    events: detection.events,
    publish: () => publisher.publish(),
    onEvent: (event, detail) => options.onEvent?.(event, detail),
  })
}
