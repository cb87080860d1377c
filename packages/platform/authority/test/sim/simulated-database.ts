import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { AuthorityError } from '../../src/authority-errors.ts'
import { wholeSchema } from '../../src/store/migrations.ts'
import type { SqlRow, SqlStatement, SqlValue } from '../../src/store/sql.ts'

/**
 * A real SQLite, in memory, that can go back to what it was after any commit: each commit is a savepoint that is left open. Power
 * failures of a disk that lies, and restored backups, are a step back.
 */
export class SimulatedDatabase {
  readonly #database = new DatabaseSync(':memory:')
  readonly #statements = new Map<string, StatementSync>()
  #commits = 0

  constructor() {
    this.#database.exec('BEGIN')
    for (const sql of wholeSchema()) this.#database.exec(sql)
  }

  /** How many commits there were: a place to go back to. */
  get commits(): number {
    return this.#commits
  }

  goBack(commits: number): void {
    if (commits >= this.#commits) return
    this.#database.exec(`ROLLBACK TO c${commits + 1}; RELEASE c${commits + 1}`)
    this.#commits = commits
  }

  query(sql: string, params: readonly SqlValue[] = []): readonly SqlRow[] {
    return this.#prepared(sql).all(...(params as SQLInputValue[])) as SqlRow[]
  }

  /** @throws {AuthorityError} `QIP_AUTHORITY_CONFLICT` if an expectation fails: nothing is written */
  commit(statements: readonly SqlStatement[]): void {
    const savepoint = `c${this.#commits + 1}`
    this.#database.exec(`SAVEPOINT ${savepoint}`)
    try {
      for (const statement of statements) this.#run(statement)
    } catch (error) {
      this.#database.exec(`ROLLBACK TO ${savepoint}; RELEASE ${savepoint}`)
      throw error
    }
    this.#commits += 1
  }

  #run({ sql, params = [], each, expect, what = 'a row' }: SqlStatement): void {
    let changes = 0
    for (const values of each ?? [params]) {
      changes += Number(this.#prepared(sql).run(...(values as SQLInputValue[])).changes)
    }
    if (expect !== undefined && expect !== changes)
      throw new AuthorityError('QIP_AUTHORITY_CONFLICT', { what })
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}
