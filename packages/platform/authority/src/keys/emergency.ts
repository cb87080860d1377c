import { closeLog } from '../issuance/token-log.ts'
import type { Store } from '../store/open-store.ts'
import type { SqlStatement } from '../store/sql.ts'
import type { HeldKey, KeyRing } from './key-ring.ts'
import { leaveStatements, type RotatedUse, rotatedUses } from './rotation.ts'

/** What a key is taken out of use with. */
export interface EmergencyOptions {
  readonly keys: KeyRing
  readonly store: Store
  /** The key that takes over. */
  readonly standby: (use: RotatedUse) => Promise<HeldKey>
  /** What of the rotations changes when one key takes over from another. */
  readonly statements: (from: HeldKey, to: HeldKey) => readonly SqlStatement[]
  readonly nowMs: number
}

/**
 * Takes a compromised key out of use; if it was the active one, the standby takes over in the same transaction. Nobody is waited for,
 * and nothing leads back: verifiers hold the standby already.
 */
export async function compromiseKey(options: EmergencyOptions, kid: string): Promise<void> {
  const { keys, store, standby, statements, nowMs } = options
  const held = keys.get(kid) as HeldKey
  const { use, state, log } = held.record
  if (use === 'qip-token' && log !== undefined) await closeLog(store, log)
  const rotated = rotatedUses.find((each) => each === use)
  if (rotated === undefined || state !== 'active') {
    await keys.move(
      [{ kid, to: 'compromised' }],
      leaveStatements(kid, { ms: nowMs, detail: 'a revocation names its key' }),
    )
    // Not before: one of a use without an active key has none to stand by for.
    if (rotated !== undefined && keys.find(rotated, 'active') !== undefined) await standby(rotated)
    return
  }
  const next = await standby(rotated)
  await keys.move(
    [
      { kid, to: 'compromised' },
      { kid: next.record.key.kid, to: 'active' },
    ],
    statements(held, next),
  )
  await standby(rotated)
}
