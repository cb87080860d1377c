import { AuthorityError } from '../src/authority-errors.ts'
import type { Sql, SqlRow, SqlSnapshot, SqlStatement, SqlValue } from '../src/store/sql.ts'

/** What becomes of a transaction: `refuse` fails and is not made, `lose` is made and fails. */
export type Fault = 'refuse' | 'lose'

/** A store in front of another one, that fails as told. */
export class FlakySql implements Sql {
  readonly #inner: Sql
  /** Decides about each transaction. */
  fault: (statements: readonly SqlStatement[]) => Fault | undefined = () => undefined
  readsFail = false

  constructor(inner: Sql) {
    this.#inner = inner
  }

  query(sql: string, params?: readonly SqlValue[]): Promise<readonly SqlRow[]> {
    if (this.readsFail) return Promise.reject(unavailable())
    return this.#inner.query(sql, params)
  }

  async transact(statements: readonly SqlStatement[]): Promise<void> {
    const fault = this.fault(statements)
    if (fault === 'refuse') throw unavailable()
    await this.#inner.transact(statements)
    if (fault === 'lose') throw unavailable()
  }

  snapshot(): Promise<SqlSnapshot> {
    return this.#inner.snapshot()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

/** Whether a transaction writes to a table. */
export function writes(table: string): (statements: readonly SqlStatement[]) => boolean {
  const pattern = new RegExp(`^(?:INSERT INTO|UPDATE|DELETE FROM) ${table}\\b`)
  return (statements) => statements.some(({ sql }) => pattern.test(sql))
}

function unavailable(): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason: 'simulated' })
}
