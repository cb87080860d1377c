import type { Sql, SqlStatement } from '../store/sql.ts'

/** A key under which parts of records are sealed, itself sealed to a custodian's key: nobody here can open it. */
export interface ReportedSealKey {
  readonly id: string
  readonly timeMs: number
  readonly point: string
  readonly kid: string
  /** base64url. */
  readonly sealed: string
}

/** The statement that keeps sealed keys. */
export function sealKeyStatement(keys: readonly ReportedSealKey[]): SqlStatement {
  return {
    sql: `INSERT INTO decision_seal_keys (id, time_ms, point, kid, sealed) VALUES (?, ?, ?, ?, ?)
          ON CONFLICT (id) DO NOTHING`,
    each: keys.map(({ id, timeMs, point, kid, sealed }) => [id, timeMs, point, kid, sealed]),
  }
}

/** The sealed key of this ID. */
export async function findSealKey(sql: Sql, id: string): Promise<ReportedSealKey | undefined> {
  const [row] = await sql.query('SELECT * FROM decision_seal_keys WHERE id = ?', [id])
  return (
    row && {
      id,
      timeMs: row['time_ms'] as number,
      point: row['point'] as string,
      kid: row['kid'] as string,
      sealed: row['sealed'] as string,
    }
  )
}
