import { randomBytes } from 'node:crypto'
import { AuthorityError } from '../authority-errors.ts'
import { isQipError } from '@quantum-ip/base'
import type { Sql, SqlSnapshot, SqlStatement } from '../store/sql.ts'

/** Who leads, as the store has it. */
export interface Leadership {
  readonly term: number
  /** Another one each time that somebody takes over: terms may come twice where a store lost its last commits. */
  readonly holder: string
  readonly instance: string
  /** Where it takes what only the leader does. */
  readonly url: string
  /** Grows while it is alive. */
  readonly beat: number
}

/** Nobody leads, and nobody ever did. */
export const nobody: Leadership = { term: 0, holder: '', instance: '', url: '', beat: 0 }

/** Reads who leads. */
export async function readLeadership(sql: Sql): Promise<Leadership> {
  const [row] = await sql.query("SELECT * FROM leadership WHERE name = 'leader'")
  if (row === undefined) return nobody
  return {
    term: row['term'] as number,
    holder: row['holder'] as string,
    instance: row['instance'] as string,
    url: row['url'] as string,
    beat: row['beat'] as number,
  }
}

/**
 * Takes over from `last`, if it is as it was seen: not one beat further.
 *
 * @returns `undefined` if somebody else was faster, or the one before is alive
 */
export async function takeOver(
  sql: Sql,
  last: Leadership,
  by: { readonly instance: string; readonly url: string },
): Promise<Leadership | undefined> {
  const next = { ...by, term: last.term + 1, holder: randomBytes(12).toString('hex'), beat: 0 }
  const statement: SqlStatement =
    last.term === 0
      ? {
          sql: `INSERT INTO leadership (name, term, holder, instance, url, beat, writes) VALUES ('leader', ?, ?, ?, ?, 0, 0)
                ON CONFLICT (name) DO NOTHING`,
          params: [next.term, next.holder, next.instance, next.url],
          expect: 1,
        }
      : {
          sql: `UPDATE leadership SET term = ?, holder = ?, instance = ?, url = ?, beat = 0
                WHERE name = 'leader' AND term = ? AND holder = ? AND beat = ?`,
          params: [next.term, next.holder, next.instance, next.url, last.term, last.holder, last.beat],
          expect: 1,
        }
  try {
    await sql.transact([statement])
    return next
  } catch (error) {
    if (isQipError(error, 'QIP_AUTHORITY_CONFLICT')) return undefined
    throw error
  }
}

/** Shows that the leader is alive. @throws {AuthorityError} `QIP_AUTHORITY_CONFLICT` if it does not lead any more */
export async function beat(sql: Sql, { term, holder }: Leadership): Promise<void> {
  await sql.transact([
    {
      sql: "UPDATE leadership SET beat = beat + 1 WHERE name = 'leader' AND term = ? AND holder = ?",
      params: [term, holder],
      expect: 1,
      what: leadershipName,
    },
  ])
}

/** Lets another instance take over at once. */
export async function resign(sql: Sql, { term, holder }: Leadership): Promise<void> {
  await sql.transact([
    {
      sql: "UPDATE leadership SET url = '' WHERE name = 'leader' AND term = ? AND holder = ?",
      params: [term, holder],
    },
  ])
}

const leadershipName = 'the leadership'

/**
 * The store of a leader: each of its transactions holds only while it leads. INVARIANT: the row of the leadership is a part of the
 * transaction, so that whoever took over meanwhile makes it fail, however late it comes; clocks and leases decide nothing.
 */
export class FencedSql implements Sql {
  readonly #sql: Sql
  readonly #fence: SqlStatement
  readonly #onLost: (why: string) => void

  constructor(sql: Sql, { term, holder }: Leadership, onLost: (why: string) => void) {
    this.#sql = sql
    this.#onLost = onLost
    this.#fence = {
      sql: "UPDATE leadership SET writes = writes + 1 WHERE name = 'leader' AND term = ? AND holder = ?",
      params: [term, holder],
      expect: 1,
      what: leadershipName,
    }
  }

  query(sql: string, params?: Parameters<Sql['query']>[1]): ReturnType<Sql['query']> {
    return this.#sql.query(sql, params)
  }

  async transact(statements: readonly SqlStatement[]): Promise<void> {
    try {
      await this.#sql.transact([this.#fence, ...statements])
    } catch (error) {
      if (isQipError(error, 'QIP_AUTHORITY_CONFLICT')) {
        const { what } = (error as AuthorityError<'QIP_AUTHORITY_CONFLICT'>).details
        // The position of the state moves by the leader's hand alone: the store went back, or somebody else leads.
        if (what === leadershipName || what === 'state-position') this.#onLost(what)
        // Whoever asked is not in conflict with anybody: the next leader does what they ask for.
        if (what === leadershipName)
          throw new AuthorityError(
            'QIP_AUTHORITY_NO_LEADER',
            { what: 'another one took over' },
            { cause: error },
          )
      }
      throw error
    }
  }

  snapshot(): Promise<SqlSnapshot> {
    return this.#sql.snapshot()
  }

  async close(): Promise<void> {
    // The store is the instance's, and outlives its leading.
  }
}
