import { parseHex } from '@quantum-ip/base'
import type { Acts } from '../acts.ts'
import type { AuthorityOptions } from '../authority-options.ts'
import type { AuthorityParts } from '../authority-parts.ts'
import type { RevocationOrder } from '../state/revocations.ts'
import type { KeyUses } from './key-uses.ts'
import { ReportDesk } from './report-desk.ts'
import type { SecurityEvent, SecurityEvents } from './security-events.ts'

/** What watches over the keys of an authority. */
export interface Watch {
  readonly events: SecurityEvents
  readonly uses: KeyUses
  readonly reports: ReportDesk
  /** What an earlier failure left undone, and what time demands. */
  maintain(): Promise<void>
  /** Writes down what was counted. */
  close(): Promise<void>
}

/** What a watch acts through. */
export interface WatchActions {
  readonly acts: Acts
  readonly revoke: (order: RevocationOrder) => Promise<{ readonly record: { readonly epoch: number } }>
}

const yearMs = 365 * 24 * 3_600_000

/** Opens the watch. On proof that a key is stolen it is revoked by default. */
export function openWatch(
  { store, keys, clock, index, detection: { events, uses } }: AuthorityParts,
  { detection: { onProof = 'revoke' } = {}, keepEventsMs = yearMs }: AuthorityOptions,
  { acts, revoke }: WatchActions,
): Watch {
  const revokeOn = async ({ number, kind, subject }: SecurityEvent): Promise<boolean> => {
    const isBuild = kind === 'attestation_invalid'
    const nowS = Math.floor(clock.now() / 1_000)
    if (isBuild ? index.isBuildRevoked(parseHex(subject), nowS) : index.isKeyRevoked(subject)) return false
    const aim = { kind: isBuild ? 'build' : 'key', value: subject } as const
    const { record } = await revoke({ ...aim, reason: `${kind}, event ${number}` })
    await acts.record('authority', 'revoke', { ...aim, epoch: record.epoch, event: number })
    return true
  }
  const reports = new ReportDesk({ store, keys, clock, events, onProof, revoke: revokeOn })
  return {
    events,
    uses,
    reports,
    async maintain() {
      await reports.settle()
      await uses.settle()
      await events.prune(clock.now() - keepEventsMs)
    },
    close: () => uses.settle().catch(() => undefined),
  }
}
