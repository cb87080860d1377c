import type { Clock, Json } from '@quantum-ip/base'
import type { KemKey } from '@quantum-ip/crypto'
import type { Claims } from '@quantum-ip/token'
import type { Session } from '../admission/sessions.ts'
import type { TokenOrder } from '../issuance/token-order.ts'
import type { Sql, SqlStatement } from '../store/sql.ts'
import { partsOf, type RecordedOrder, sealAdmission, sealPart } from './record-form.ts'

/** A token that is about to be logged. */
export interface TokenToRecord {
  readonly order: TokenOrder
  readonly claims: Claims
}

/** A batch whose record is sealed: writes it, given the index of the first token, and resolves when it is durable. */
export type KeepRecord = (start: number) => Promise<void>

/** A sealed record as it is kept. */
export interface SealedRecord {
  /** Thumbprint of the key that opens it. */
  readonly kid: string
  readonly sealed: Uint8Array
  readonly timeMs: number
}

/** What records are kept with. */
export interface RecordsOptions {
  readonly sql: Sql
  readonly clock: Clock
  readonly key: KemKey
  readonly keepMs: number
}

const pruneEveryMs = 600_000

/**
 * What each logged hash opens to, under which session and on what evidence: sealed to the key custodian, and deleted in time.
 *
 * A stolen authority could issue what it likes and log a hash of it. These records are what an investigation opens then: a logged token
 * without one was not issued by this program.
 */
export class IssuanceRecords {
  readonly #options: RecordsOptions
  #prunedMs = 0

  constructor(options: RecordsOptions) {
    this.#options = options
  }

  /** Seals the record of a batch: begun before its entries are durable, kept once their places are known. */
  async seal(origin: string, tokens: readonly TokenToRecord[]): Promise<KeepRecord> {
    const { sql, clock, key } = this.#options
    const parts = partsOf(ordersOf(tokens))
    const sealed = await Promise.all(parts.map((part) => sealPart(key, origin, part)))
    const counts = parts.map(({ nonces }) => nonces.length)
    return async (start) => {
      let first = start
      const rows = sealed.map((each, nth) => {
        const row = [origin, first, counts[nth] ?? 0, clock.now(), key.kid, each]
        first += counts[nth] ?? 0
        return row
      })
      await sql.transact([
        {
          sql: 'INSERT INTO issuance_records (origin, first, count, time_ms, kid, sealed) VALUES (?, ?, ?, ?, ?, ?)',
          each: rows,
        },
      ])
    }
  }

  /** Keeps on what evidence a session was admitted, durably. */
  async admitted(session: Session, evidence: Json): Promise<void> {
    const { sql, key } = this.#options
    const { id, sid, role, method, admittedMs, builds } = session
    const sealed = await sealAdmission(key, id, {
      sid,
      role,
      method,
      admittedMs,
      builds: builds.map(({ digest }) => digest),
      evidence,
    })
    await sql.transact([
      {
        sql: 'INSERT INTO admission_records (session, time_ms, kid, sealed) VALUES (?, ?, ?, ?)',
        params: [id, admittedMs, key.kid, sealed],
      },
    ])
  }

  /** The record that has the token at `index`, and the index of its first token. */
  async find(
    origin: string,
    index: number,
  ): Promise<(SealedRecord & { readonly first: number; readonly count: number }) | undefined> {
    const [row] = await this.#options.sql.query(
      `SELECT * FROM issuance_records WHERE origin = ? AND first <= ? ORDER BY first DESC LIMIT 1`,
      [origin, index],
    )
    if (row === undefined) return undefined
    const first = row['first'] as number
    const count = row['count'] as number
    if (index >= first + count) return undefined
    return {
      first,
      count,
      kid: row['kid'] as string,
      sealed: row['sealed'] as Uint8Array,
      timeMs: row['time_ms'] as number,
    }
  }

  /** What is kept of the admission of a session. */
  async findAdmission(session: string): Promise<SealedRecord | undefined> {
    const [row] = await this.#options.sql.query('SELECT * FROM admission_records WHERE session = ?', [
      session,
    ])
    return (
      row && {
        kid: row['kid'] as string,
        sealed: row['sealed'] as Uint8Array,
        timeMs: row['time_ms'] as number,
      }
    )
  }

  /**
   * Deletes what is past its retention; at most every ten minutes. An admission is kept as long as the last token that a session of
   * a day may have drawn.
   */
  async prune(): Promise<void> {
    const { sql, clock, keepMs } = this.#options
    const now = clock.now()
    if (now - this.#prunedMs < pruneEveryMs) return
    await sql.transact([
      deleteBefore('issuance_records', now - keepMs),
      deleteBefore('admission_records', now - keepMs - sessionMaxMs),
    ])
    this.#prunedMs = now
  }
}

const sessionMaxMs = 24 * 3_600_000

function deleteBefore(table: 'issuance_records' | 'admission_records', beforeMs: number): SqlStatement {
  return { sql: `DELETE FROM ${table} WHERE time_ms < ?`, params: [beforeMs] }
}

/** Tokens of one order stand side by side. */
function ordersOf(tokens: readonly TokenToRecord[]): readonly RecordedOrder[] {
  const orders: (RecordedOrder & { readonly claims: Claims[] })[] = []
  let last: TokenOrder | undefined
  for (const { order, claims } of tokens) {
    if (order === last) orders.at(-1)?.claims.push(claims)
    else {
      const form = order.form === 'jwt' ? 'jwt' : 'merkle'
      orders.push({ session: order.session.id, form, claims: [claims] })
    }
    last = order
  }
  return orders
}
