import type { Quarantine } from './document.ts'

/** One percent of the service: where a quarantined request goes if the policy does not say. */
export const defaultQuarantine: Quarantine = { kind: 'share', percent: 1 }
