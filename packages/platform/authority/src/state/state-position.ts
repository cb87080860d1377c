import { base64url, parseBase64url, parseJson } from '@quantum-ip/base'
import { readMeta } from '../store/meta.ts'
import type { Sql } from '../store/sql.ts'

/** How far the chain of states is: the last one's number and time, and the last head that it confirms. */
export interface ChainPosition {
  seq: number
  timeMs: number
  head: number
  chain: Uint8Array
}

/** When the last state was signed, milliseconds; 0 if none was. */
export async function lastStateMs(sql: Sql): Promise<number> {
  const stored = await readMeta(sql, 'state-position')
  return stored === undefined ? 0 : parsePosition(stored).timeMs
}

/** The position as it is kept. */
export function formatPosition({ seq, timeMs, head, chain }: ChainPosition): string {
  return JSON.stringify([seq, timeMs, head, base64url(chain)])
}

/** The position out of the store. */
export function parsePosition(text: string): ChainPosition {
  const [seq, timeMs, head, chain] = parseJson(text) as [number, number, number, string]
  return { seq, timeMs, head, chain: parseBase64url(chain) }
}
