import type { Acts } from '../acts.ts'
import type { AuthorityParts } from '../authority-parts.ts'
import type { RevocationOrder } from '../state/revocations.ts'
import { ReportDesk } from './report-desk.ts'
import type { SecurityEvent } from './security-events.ts'

/** What an authority does on proof. */
export interface ProofActions {
  readonly onProof: 'revoke' | 'event' | undefined
  readonly acts: Acts
  readonly revoke: (order: RevocationOrder) => Promise<{ readonly record: { readonly epoch: number } }>
}

/** Opens the desk where members report. On proof that a key is stolen it is revoked by default. */
export function openReports(
  { store, keys, clock, index, detection: { events } }: AuthorityParts,
  { onProof = 'revoke', acts, revoke }: ProofActions,
): ReportDesk {
  const revokeOn = async ({ number, kind, subject }: SecurityEvent): Promise<void> => {
    if (index.isKeyRevoked(subject)) return
    const key = { kind: 'key', value: subject } as const
    const { record } = await revoke({ ...key, reason: `${kind}, event ${number}` })
    await acts.record('authority', 'revoke', { ...key, epoch: record.epoch, event: number })
  }
  return new ReportDesk({ store, keys, clock, events, onProof, revoke: revokeOn })
}
