import type { HeadRecord, RevocationRecord } from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { Sql, SqlStatement } from '../store/sql.ts'
import { headOf, type StoredHead } from './head-rows.ts'
import type { Publisher } from './publisher.ts'
import type { Revocations } from './revocations.ts'

/** Heads after number `after`, in order; with the last one of a batch the tree after it. */
export async function readHeads(
  sql: Sql,
  after: number,
): Promise<(StoredHead & { readonly number: number })[]> {
  const rows = await sql.query('SELECT * FROM heads WHERE number > ? ORDER BY number', [after])
  return rows.map((row) => Object.assign(headOf(row), { number: row['number'] as number }))
}

/** A state that verifiers may start from. */
export interface BaseState {
  readonly seq: number
  readonly timeMs: number
  /** The number of the last head that it confirms. */
  readonly head: number
  readonly epoch: number
  readonly envelope: string
}

/** Keeps a state to start from, and forgets states and heads from before every verifier's start. */
export function baseStatements({ seq, timeMs, head, epoch, envelope }: BaseState): readonly SqlStatement[] {
  const horizon = timeMs - 2 * 3_600_000
  return [
    {
      sql: 'INSERT INTO base_states (seq, time_ms, head, epoch, envelope) VALUES (?, ?, ?, ?, ?)',
      params: [seq, timeMs, head, epoch, envelope],
    },
    {
      sql: 'DELETE FROM base_states WHERE time_ms < (SELECT MAX(time_ms) FROM base_states WHERE time_ms < ?)',
      params: [horizon],
    },
    {
      sql: 'DELETE FROM heads WHERE number <= (SELECT MIN(head) FROM base_states) AND exp < ?',
      params: [Math.floor(horizon / 1_000)],
    },
  ]
}

/** A signed state in the past and all that followed it: what a verifier starts from. */
export interface History {
  readonly base: string
  readonly heads: readonly HeadRecord[]
  readonly revocations: readonly RevocationRecord[]
  readonly state: string
  readonly bundle: string
}

/**
 * What a verifier needs that starts now and must know every head under which a token may still be valid: the newest signed state
 * that is at least `lifetimeMs` old (or the oldest there is), and the records since, up to the current state.
 */
export async function readHistory(
  from: {
    readonly sql: Sql
    readonly publisher: Pick<Publisher, 'current' | 'bundleText'>
    readonly revocations: Pick<Revocations, 'list'>
  },
  lifetimeMs: number,
): Promise<History> {
  const { sql, publisher, revocations } = from
  const { current, bundleText } = publisher
  const [base] = await sql.query(
    `SELECT head, epoch, envelope FROM base_states
     WHERE (time_ms <= ? AND seq <= ?) OR seq = (SELECT MIN(seq) FROM base_states) ORDER BY seq DESC LIMIT 1`,
    [current.timeMs - lifetimeMs, current.seq],
  )
  if (base === undefined)
    throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'there is no state to start from' })
  const heads = (await readHeads(sql, base['head'] as number))
    .filter(({ number }) => number <= current.head)
    .map(({ head }) => head)
  return {
    base: base['envelope'] as string,
    heads,
    revocations: revocations.list().slice(0, current.epoch),
    state: current.state,
    bundle: bundleText,
  }
}
