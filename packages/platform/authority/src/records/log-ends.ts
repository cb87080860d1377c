import { type Clock, isQipError } from '@quantum-ip/base'
import { parseNote } from '@quantum-ip/log'
import type { LogReader } from '../ledger/log-reader.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Sql, SqlRow } from '../store/sql.ts'

/** Where a closed token log ended. */
export interface LogEnd {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
  /** Its last checkpoint, with the cosignatures of witnesses where there are any; empty if the log had lost its end. */
  readonly note: string
  readonly frozenMs: number
  /** When its entries were deleted. */
  readonly prunedMs: number | undefined
}

/** What logs are frozen with. */
export interface LogEndsOptions {
  readonly sql: Sql
  readonly clock: Clock
  readonly keys: Pick<KeyRing, 'list'>
  readonly logs: Pick<LogReader, 'checkpoint'>
  /** How long the entries of a closed token log are kept. */
  readonly keepMs: number
}

/**
 * Closed token logs: each is frozen with its last checkpoint, and its entries go when their retention ends. That it was there, how
 * large it was and what its root was stays for ever. Attestation logs are not touched: evidence is checked for years.
 */
export class LogEnds {
  readonly #options: LogEndsOptions
  /** The last checkpoints of logs that are about to end: their keys end with them, and sign nothing more. */
  readonly #lastNotes = new Map<string, string>()

  constructor(options: LogEndsOptions) {
    this.#options = options
  }

  async find(origin: string): Promise<LogEnd | undefined> {
    const [row] = await this.#options.sql.query('SELECT * FROM log_ends WHERE origin = ?', [origin])
    return row && read(row)
  }

  async list(): Promise<readonly LogEnd[]> {
    return (await this.#options.sql.query('SELECT * FROM log_ends ORDER BY frozen_ms, origin')).map((row) =>
      read(row),
    )
  }

  /** Signs the last checkpoints of logs whose keys retire: to be called before any of these keys is destroyed. */
  async prepare(): Promise<void> {
    const { keys, logs } = this.#options
    for (const { record } of keys.list()) {
      if (record.use !== 'qip-token' || record.state !== 'retiring' || record.log === undefined) continue
      const note = await logs.checkpoint(record.log).catch(() => undefined)
      if (note !== undefined) this.#lastNotes.set(record.log, note)
    }
  }

  /** Freezes what was closed since, and prunes what is past its retention. */
  async maintain(): Promise<void> {
    const { sql, clock, keepMs } = this.#options
    const closed = await sql.query(
      `SELECT origin, size, root FROM log_heads WHERE state = 'closed' AND origin LIKE '%/tokens/%'
       AND origin NOT IN (SELECT origin FROM log_ends)`,
    )
    for (const row of closed) await this.#freeze(row)
    const ended = await sql.query('SELECT origin FROM log_ends WHERE pruned_ms IS NULL AND frozen_ms < ?', [
      clock.now() - keepMs,
    ])
    for (const row of ended) await this.#prune(row['origin'] as string)
  }

  async #freeze(row: SqlRow): Promise<void> {
    const { sql, clock } = this.#options
    const origin = row['origin'] as string
    const note = this.#prepared(origin, row['size'] as number) ?? (await this.#lastNote(origin))
    // Its witnesses are away: it is tried again.
    if (note === undefined) return
    await sql.transact([
      {
        sql: `INSERT INTO log_ends (origin, size, root, note, frozen_ms) VALUES (?, ?, ?, ?, ?)
              ON CONFLICT (origin) DO NOTHING`,
        params: [origin, row['size'] as number, row['root'] as Uint8Array, note, clock.now()],
      },
    ])
  }

  #prepared(origin: string, size: number): string | undefined {
    const note = this.#lastNotes.get(origin)
    this.#lastNotes.delete(origin)
    return note?.split('\n')[1] === String(size) ? note : undefined
  }

  async #lastNote(origin: string): Promise<string | undefined> {
    try {
      const note = await this.#options.logs.checkpoint(origin)
      parseNote(note)
      return note
    } catch (error) {
      // It lost its end to a restored backup, or its key is gone: there is none to be had any more.
      if (isQipError(error, 'QIP_AUTHORITY_NOT_FOUND')) return ''
      if (isQipError(error)) return undefined
      throw error
    }
  }

  async #prune(origin: string): Promise<void> {
    const params = [origin]
    await this.#options.sql.transact([
      { sql: 'DELETE FROM log_entries WHERE origin = ?', params },
      { sql: 'DELETE FROM log_tiles WHERE origin = ?', params },
      {
        sql: 'UPDATE log_ends SET pruned_ms = ? WHERE origin = ?',
        params: [this.#options.clock.now(), origin],
      },
    ])
  }
}

function read(row: SqlRow): LogEnd {
  return {
    origin: row['origin'] as string,
    size: row['size'] as number,
    root: row['root'] as Uint8Array,
    note: row['note'] as string,
    frozenMs: row['frozen_ms'] as number,
    prunedMs: (row['pruned_ms'] as number | null) ?? undefined,
  }
}
