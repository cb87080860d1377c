import { equalBytes } from '@quantum-ip/base'
import type { LogHead } from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { Sql, SqlStatement } from '../store/sql.ts'
import { headColumns, headValues, type SignedHead, type StoredHead } from './head-rows.ts'
import { readHeads } from './history.ts'
import { dropIssuedStatement, type IssuedHead, readIssuedHeads } from './issued-heads.ts'

/** Heads of one batch, and the tree that the log had after it. */
export interface HeadBatch {
  readonly heads: readonly SignedHead[]
  readonly tree: LogHead
}

/** A head that no state has listed yet. */
export interface PendingHead extends StoredHead {
  readonly number: number
}

/** Heads of one batch with their numbers, as they are written. */
interface NumberedBatch {
  readonly rows: readonly NumberedHead[]
  /** With each head that is the last one of a batch, the tree after it. */
  readonly trees: readonly (LogHead | undefined)[]
}

interface NumberedHead extends SignedHead {
  readonly number: number
}

/** Heads in one state: with the longest names that there may be it stays below the size that a state may have. */
const stateHeadsMax = 2_048

/**
 * Heads in the store that no state has listed yet, in the order of their numbers: the order in which states list them.
 *
 * INVARIANT: what is in the store is listed, also where the answer of the store was lost. Else a verifier that starts from the store's
 * history would compute another chain.
 */
export class PendingHeads {
  readonly #sql: Sql
  #last: number
  #heads: readonly PendingHead[]
  /** Heads of which nobody knows whether they are in the store. */
  #unsettled: NumberedBatch | undefined

  private constructor(sql: Sql, heads: readonly PendingHead[], last: number) {
    this.#sql = sql
    this.#heads = heads
    this.#last = last
  }

  /** Those after number `listed`, which the last state listed. */
  static async open(sql: Sql, listed: number): Promise<PendingHeads> {
    const heads = await readHeads(sql, listed)
    return new PendingHeads(sql, heads, heads.at(-1)?.number ?? listed)
  }

  /**
   * Takes in the heads that other instances have issued, in the order in which each of them did.
   *
   * @param refresh called when there are some, to know the keys under which they were issued
   * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`: they are taken in the next time, or were
   */
  async adopt(refresh: () => Promise<void>): Promise<void> {
    await this.#settle()
    const issued = wholeBatches(await readIssuedHeads(this.#sql, stateHeadsMax))
    if (issued.length === 0) return
    await refresh()
    const rows = issued.map(({ head, staple }) => ({ number: ++this.#last, head, staple }))
    const trees = issued.map(({ tree }) => tree)
    const batch = { rows, trees }
    try {
      await this.#sql.transact([insertHeads(batch), dropIssuedStatement(rows.map(({ head }) => head))])
    } catch (error) {
      this.#unsettled = batch
      if (!(await this.#settle())) throw error
      return
    }
    this.#take(batch)
  }

  get isEmpty(): boolean {
    return this.#heads.length === 0
  }

  /**
   * Makes heads durable.
   *
   * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`: nobody may hand out a token under them. If they are in the store
   *   nevertheless, they are listed.
   */
  async add({ heads, tree }: HeadBatch): Promise<void> {
    await this.#settle()
    const rows = heads.map((signed) => ({ number: ++this.#last, ...signed }))
    const batch = { rows, trees: rows.map((_, i) => (i === rows.length - 1 ? tree : undefined)) }
    try {
      await this.#sql.transact([insertHeads(batch)])
    } catch (error) {
      this.#unsettled = batch
      if (!(await this.#settle())) throw error
      return
    }
    this.#take(batch)
  }

  /** The heads that the next state lists: as many as fit, whole batches. */
  next(): readonly PendingHead[] {
    const at = stateHeadsMax
    const isCut = this.#heads[at - 1]?.tree === undefined && this.#heads[at]?.tree !== undefined
    return this.#heads.slice(0, isCut ? at - 1 : at)
  }

  /** Takes out what a state lists: the first `count`. */
  remove(count: number): void {
    this.#heads = this.#heads.slice(count)
  }

  /** Finds out what became of the heads of an earlier batch. @returns whether they are in the store */
  async #settle(): Promise<boolean> {
    const batch = this.#unsettled
    if (batch === undefined) return false
    const { number, head } = batch.rows[0] as NumberedHead
    const [found] = await this.#sql.query('SELECT hash FROM heads WHERE number = ?', [number])
    this.#unsettled = undefined
    if (found === undefined) return false
    if (!equalBytes(found['hash'] as Uint8Array, head.hash)) {
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', {
        what: 'the store has another head under this number',
      })
    }
    this.#take(batch)
    return true
  }

  // A new array each time: a state that is being made keeps the heads that it began with.
  #take({ rows, trees }: NumberedBatch): void {
    const taken = rows.map(({ number, head }, i) => ({ number, head, tree: trees[i] }))
    this.#heads = [...this.#heads, ...taken]
  }
}

/** Without the beginning of a batch whose end was not read: a state could not say how far its log goes. */
function wholeBatches(heads: readonly IssuedHead[]): readonly IssuedHead[] {
  return heads.slice(0, heads.findLastIndex(({ tree }) => tree !== undefined) + 1)
}

function insertHeads({ rows, trees }: NumberedBatch): SqlStatement {
  return {
    sql: `INSERT INTO heads (number, ${headColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    each: rows.map((row, i) => [row.number, ...headValues(row, trees[i])]),
  }
}
