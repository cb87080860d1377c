/** A value of a column or parameter. Integers are safe integers. */
export type SqlValue = null | number | string | Uint8Array

/** A row, by column name. */
export type SqlRow = Readonly<Record<string, SqlValue>>

/** One statement of a transaction. */
export interface SqlStatement {
  readonly sql: string
  readonly params?: readonly SqlValue[]
  /** Runs the statement once for each of these parameter lists instead. */
  readonly each?: readonly (readonly SqlValue[])[]
  /** How many rows must change, else the whole transaction is undone: the compare of a compare-and-set. */
  readonly expect?: number
  /** What to call the conflict in the error if the expectation fails. */
  readonly what?: string
}

/**
 * The store below everything that the authority keeps.
 *
 * Small on purpose: statements in, rows out, one kind of transaction. No code above it knows which engine runs, so
 * that another one can stand behind the same two calls.
 */
export interface Sql {
  /** Runs one reading statement. */
  query(sql: string, params?: readonly SqlValue[]): Promise<readonly SqlRow[]>
  /**
   * Runs statements as one transaction: all take effect, durably, or none does.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_CONFLICT` if an expectation fails: nothing was written.
   * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE` if the outcome is not known: read before you write again. By then
   *   it is settled: a driver must not reject while the transaction may still arrive.
   */
  transact(statements: readonly SqlStatement[]): Promise<void>
  /**
   * All of the store as it is at one instant, for as long as the snapshot is open; reading and writing go on meanwhile.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`
   */
  snapshot(): Promise<SqlSnapshot>
  close(): Promise<void>
}

/** The store at one instant. */
export interface SqlSnapshot {
  /** The rows of a reading statement, in the order that it asks for, in batches: a table may be larger than the memory. */
  rows(sql: string): AsyncIterable<readonly SqlRow[]>
  close(): Promise<void>
}
