import type { KeyRing } from '../keys/key-ring.ts'
import type { Sql } from '../store/sql.ts'

/** Which head is asked for. */
export interface HeadQuery {
  readonly keyId: number
  readonly start: number
  readonly end: number
}

/** The signed head of exactly this tuple, as a `Quantum-IP-Head` value. */
export async function findStaple(
  authority: { readonly keys: KeyRing; readonly store: { readonly sql: Sql } },
  { keyId, start, end }: HeadQuery,
): Promise<string | undefined> {
  const held = authority.keys
    .list()
    .find(({ record }) => record.use === 'qip-token' && record.keyId === keyId)
  if (held?.record.log === undefined) return undefined
  const params = [held.record.log, start, end]
  const find = async (table: 'heads' | 'issued_heads') => {
    const where = 'origin = ? AND start_index = ? AND end_index = ?'
    return (await authority.store.sql.query(`SELECT staple FROM ${table} WHERE ${where}`, params))[0]
  }
  // Those of other instances are moved from one table to the other: one that leaves the first is in the second.
  const row = (await find('issued_heads')) ?? (await find('heads'))
  return row?.['staple'] as string | undefined
}
