import type { Clock } from '@quantum-ip/base'
import type { Sql, SqlRow } from '../store/sql.ts'
import type { KeyOperation } from './counted-custody.ts'
import { decideRateChange, type KeyRateRule } from './key-rate.ts'
import type { SecurityEvents } from './security-events.ts'

/** Uses of one key in one minute. */
export interface KeyUse {
  /** Minutes since 1970. */
  readonly minute: number
  readonly kid: string
  readonly operation: KeyOperation
  /** What the key is for, `qip-token` and so on; `bundle` for the key that signs bundles. */
  readonly use: string
  readonly count: number
}

/** What uses are counted with. */
export interface KeyUsesOptions {
  readonly sql: Sql
  readonly clock: Clock
  readonly events: SecurityEvents
  readonly rule: KeyRateRule
  /** Told of every use, at once. */
  readonly onUse?: (use: string, operation: KeyOperation) => void
  /** Told of every signature, and how long it took. */
  readonly onSigned?: (use: string, scheme: string, durationMs: number) => void
}

const minuteMs = 60_000
const windowMinutes = 60
const keepMinutes = 31 * 24 * 60

/**
 * Counts the uses of keys per minute, keeps the counts, and raises an event when a rate changes suddenly.
 *
 * What is counted is written with the next maintenance: a process that is killed loses the counts of the last 30 s, never
 * those before. The rate is judged per use of keys and not per key, since an issuing key lives for a day and its successor has
 * no past of its own.
 */
export class KeyUses {
  readonly #options: KeyUsesOptions
  readonly #counts = new Map<string, KeyUse>()
  /** What each key is for; asked when it is used. */
  #useOf: (kid: string) => string = () => 'other'
  #judgedMinute: number

  constructor(options: KeyUsesOptions) {
    this.#options = options
    this.#judgedMinute = this.#minute() - 1
  }

  /** Says what each key is for. */
  knowUses(useOf: (kid: string) => string): void {
    this.#useOf = useOf
  }

  /** Counts one use. */
  used(kid: string, operation: KeyOperation): void {
    const minute = this.#minute()
    const name = `${minute} ${kid} ${operation}`
    const known = this.#counts.get(name)
    const use = this.#useOf(kid)
    this.#counts.set(name, { minute, kid, operation, use, count: (known?.count ?? 0) + 1 })
    this.#options.onUse?.(use, operation)
  }

  /** Tells of a signature that was made. */
  signed(kid: string, scheme: string, durationMs: number): void {
    this.#options.onSigned?.(this.#useOf(kid), scheme, durationMs)
  }

  /** Writes down what was counted, and judges the minutes that have ended. */
  async settle(): Promise<void> {
    await this.#write()
    const now = this.#minute()
    // After a long pause of the process only the newest minutes are looked at.
    for (let minute = Math.max(this.#judgedMinute + 1, now - 5); minute < now; minute++) {
      await this.#judge(minute)
      this.#judgedMinute = minute
    }
  }

  /** The uses since a minute, by minute. */
  async list(fromMinute: number): Promise<readonly KeyUse[]> {
    const rows = await this.#options.sql.query(
      'SELECT * FROM key_uses WHERE minute >= ? ORDER BY minute, kid, operation',
      [fromMinute],
    )
    return rows.map((row) => read(row))
  }

  #minute(): number {
    return Math.floor(this.#options.clock.now() / minuteMs)
  }

  async #write(): Promise<void> {
    const counted = [...this.#counts.values()]
    this.#counts.clear()
    if (counted.length === 0) return
    try {
      await this.#options.sql.transact([
        {
          sql: `INSERT INTO key_uses (minute, kid, operation, use, count) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (minute, kid, operation) DO UPDATE SET count = key_uses.count + excluded.count`,
          each: counted.map(({ minute, kid, operation, use, count }) => [minute, kid, operation, use, count]),
        },
        { sql: 'DELETE FROM key_uses WHERE minute < ?', params: [this.#minute() - keepMinutes] },
      ])
    } catch (error) {
      // Counted once more rather than not at all.
      for (const use of counted) this.#putBack(use)
      throw error
    }
  }

  #putBack(use: KeyUse): void {
    const name = `${use.minute} ${use.kid} ${use.operation}`
    const since = this.#counts.get(name)?.count ?? 0
    this.#counts.set(name, { ...use, count: use.count + since })
  }

  async #judge(minute: number): Promise<void> {
    const uses = (await this.list(minute - windowMinutes)).filter(({ operation }) => operation === 'sign')
    for (const use of new Set(uses.map((each) => each.use))) {
      const ofUse = uses.filter((each) => each.use === use)
      const change = decideRateChange(
        totalAt(ofUse, minute),
        minutesBefore(ofUse, minute),
        this.#options.rule,
      )
      if (change === undefined) continue
      const keys = ofUse.filter((each) => each.minute === minute)
      await this.#options.events.raise({
        kind: 'key_rate_changed',
        severity: 'warning',
        subject: use,
        log: null,
        dedupe: `key_rate_changed ${use} ${Math.floor(minute / 60)}`,
        proof: { minute, ...change, keys: Object.fromEntries(keys.map(({ kid, count }) => [kid, count])) },
        reportedBy: 'authority',
        action: 'none',
      })
    }
  }
}

/** The totals of the minutes before, from the first one on in which anything was signed; idle ones are zero. */
function minutesBefore(uses: readonly KeyUse[], minute: number): readonly number[] {
  const first = Math.min(minute, ...uses.map((use) => use.minute))
  return Array.from({ length: minute - first }, (_, nth) => totalAt(uses, first + nth))
}

function totalAt(uses: readonly KeyUse[], minute: number): number {
  return uses.reduce((sum, use) => (use.minute === minute ? sum + use.count : sum), 0)
}

function read(row: SqlRow): KeyUse {
  return {
    minute: row['minute'] as number,
    kid: row['kid'] as string,
    operation: row['operation'] as KeyOperation,
    use: row['use'] as string,
    count: row['count'] as number,
  }
}
