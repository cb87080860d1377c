import type { Clock } from '@quantum-ip/base'
import type { Sql } from '../store/sql.ts'
import type { KeyOperation } from './counted-custody.ts'
import type { KeyRateRule } from './key-rate.ts'
import { KeyUses } from './key-uses.ts'
import { type SecurityEvent, SecurityEvents } from './security-events.ts'

/** How misuse of keys is found, and what is done about it. */
export interface DetectionRules {
  /** What is done on proof that a key is stolen. Default `revoke`. */
  readonly onProof?: 'revoke' | 'event'
  /** When the rate at which keys sign has changed. Default: ten times the usual one, and more than 1,000 a minute. */
  readonly keyRate?: KeyRateRule
}

/** Who is told. */
export interface DetectionObserver {
  /** A security event was raised. */
  readonly onSecurityEvent?: ((event: SecurityEvent) => void) | undefined
  /** A key was used. */
  readonly onKeyUse?: ((use: string, operation: KeyOperation) => void) | undefined
  /** A signature was made. */
  readonly onSigned?: ((use: string, scheme: string, durationMs: number) => void) | undefined
}

/** What finds misuse of keys. */
export interface Detection {
  readonly events: SecurityEvents
  readonly uses: KeyUses
}

const keyRateDefault: KeyRateRule = { factor: 10, floor: 1_000 }

/** Opens what finds misuse of keys. */
export function openDetection(
  { sql, clock }: { readonly sql: Sql; readonly clock: Clock },
  { keyRate = keyRateDefault }: DetectionRules,
  { onSecurityEvent, onKeyUse, onSigned }: DetectionObserver,
): Detection {
  const events = new SecurityEvents(sql, clock, onSecurityEvent)
  const uses = new KeyUses({
    sql,
    clock,
    events,
    rule: keyRate,
    ...(onKeyUse !== undefined && { onUse: onKeyUse }),
    ...(onSigned !== undefined && { onSigned }),
  })
  return { events, uses }
}
