import { closeStatement } from '../issuance/token-log.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Sql, SqlStatement } from '../store/sql.ts'

/** No token of an instance that was silent for so long is alive. */
const absentMs = 2 * 3_600_000

/** Shows that an instance is there. */
export function presentStatement(name: string): SqlStatement {
  return {
    sql: `INSERT INTO instances (name, beat) VALUES (?, 1)
          ON CONFLICT (name) DO UPDATE SET beat = instances.beat + 1`,
    params: [name],
  }
}

/** Retires the issuing keys of instances that are gone for good: nobody guards them any more. For the leader alone. */
export class AbsentInstances {
  readonly #seen = new Map<string, { readonly beat: number; readonly sinceMs: number }>()

  /** @returns how many keys were retired */
  async retire({ sql, keys }: { readonly sql: Sql; readonly keys: KeyRing }, nowMs: number): Promise<number> {
    const rows = await sql.query('SELECT name, beat FROM instances')
    const beats = new Map(rows.map((row) => [row['name'] as string, row['beat'] as number]))
    const ended = keys.list().filter((held) => {
      const { use, state } = held.record
      if (use !== 'qip-token' || keys.isOwn(held) || state === 'retired' || state === 'compromised')
        return false
      return this.#isAbsent(held.instance.replace(/:leader$/, ''), beats, nowMs)
    })
    for (const { record } of ended) {
      const closing = record.log === undefined ? [] : [closeStatement(record.log)]
      await keys.move([{ kid: record.key.kid, to: 'retired' }], closing)
    }
    return ended.length
  }

  // Counted here from the first look: a leader that is new knows nothing of how long somebody was silent.
  #isAbsent(name: string, beats: ReadonlyMap<string, number>, nowMs: number): boolean {
    const beat = beats.get(name) ?? 0
    const seen = this.#seen.get(name)
    if (seen?.beat === beat) return nowMs - seen.sinceMs > absentMs
    this.#seen.set(name, { beat, sinceMs: nowMs })
    return false
  }
}
