import type { Authority } from '../authority.ts'

/** Which head is asked for. */
export interface HeadQuery {
  readonly keyId: number
  readonly start: number
  readonly end: number
}

/** The signed head of exactly this tuple, as a `Quantum-IP-Head` value. */
export async function findStaple(
  authority: Authority,
  { keyId, start, end }: HeadQuery,
): Promise<string | undefined> {
  const held = authority.keys
    .list()
    .find(({ record }) => record.use === 'qip-token' && record.keyId === keyId)
  if (held?.record.log === undefined) return undefined
  const [row] = await authority.store.sql.query(
    'SELECT staple FROM heads WHERE origin = ? AND start_index = ? AND end_index = ?',
    [held.record.log, start, end],
  )
  return row?.['staple'] as string | undefined
}
