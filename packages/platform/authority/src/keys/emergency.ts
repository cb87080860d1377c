import { closeLog } from '../issuance/token-log.ts'
import type { Store } from '../store/open-store.ts'
import type { SqlStatement } from '../store/sql.ts'
import type { HeldKey, KeyRing } from './key-ring.ts'
import { type RotatedUse, rotatedUses } from './rotation.ts'

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
    await keys.move([{ kid, to: 'compromised' }], [withdrawn(held, nowMs), settled(held, nowMs)])
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

/** A rotation to a key that is compromised before it signed. */
function withdrawn({ record }: HeldKey, nowMs: number): SqlStatement {
  return {
    sql: `UPDATE rotations SET phase = 'ended', outcome = 'withdrawn', ended_ms = ?, detail = 'a revocation names the new key'
          WHERE to_kid = ? AND phase = 'waiting'`,
    params: [nowMs, record.key.kid],
  }
}

/** A rotation from a key that must never sign again: there is no way back any more. */
function settled({ record }: HeldKey, nowMs: number): SqlStatement {
  return {
    sql: `UPDATE rotations SET phase = 'ended', outcome = 'completed', ended_ms = ?, detail = 'a revocation names the key before'
          WHERE from_kid = ? AND phase = 'settling'`,
    params: [nowMs, record.key.kid],
  }
}
