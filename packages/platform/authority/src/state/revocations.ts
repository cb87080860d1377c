import { type Clock, isQipError, type JsonObject, parseJson, parseUtf8, utf8 } from '@quantum-ip/base'
import {
  buildRevocation,
  chainRevocation,
  parseRevocation,
  revocationChainStart,
  type RevocationRecord,
} from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { DurableFile } from '../store/durable-file.ts'
import type { Sql, SqlStatement } from '../store/sql.ts'

/** What an operator asks for: a record without its number and time. */
export type RevocationOrder = Omit<RevocationRecord, 'epoch' | 'time'>

const recordsMax = 1_000_000

/**
 * The revocations of the trust domain: numbered without gaps and chained.
 *
 * They are written to the store and, before that, to a file beside it. A restored backup that lacks the last ones gets them
 * back from there: what was revoked stays revoked.
 *
 * INVARIANT: the file has one line for each number. A record that is durable there is in force, whatever became of the store.
 */
export class Revocations {
  readonly #sql: Sql
  readonly #file: DurableFile
  readonly #clock: Clock
  readonly #records: RevocationRecord[]
  #chain: Uint8Array
  /** Bytes of the file that hold whole lines. */
  #fileBytes = 0
  #mayBeTorn = false
  /** In the file, and not yet known to be in the store. */
  #unsettled: { readonly record: RevocationRecord; readonly text: string } | undefined
  #writing: Promise<unknown> = Promise.resolve()

  private constructor(sql: Sql, file: DurableFile, clock: Clock) {
    this.#sql = sql
    this.#file = file
    this.#clock = clock
    this.#records = []
    this.#chain = revocationChainStart
  }

  /**
   * @param file where the second copy is kept, outside the store
   * @throws {AuthorityError} `QIP_AUTHORITY_FILE_DAMAGED` if a whole line of it is no record, or one is missing
   */
  static async open(sql: Sql, file: DurableFile, clock: Clock): Promise<Revocations> {
    const list = new Revocations(sql, file, clock)
    for (const row of await sql.query('SELECT record FROM revocations ORDER BY epoch')) {
      list.#take(parseRevocation(parseJson(row['record'] as string) as JsonObject))
    }
    await list.#recover()
    return list
  }

  get epoch(): number {
    return this.#records.length
  }

  /** r_epoch. */
  get chain(): Uint8Array {
    return this.#chain
  }

  list(): readonly RevocationRecord[] {
    return this.#records
  }

  /** The records after `epoch`. */
  since(epoch: number): readonly RevocationRecord[] {
    return this.#records.slice(epoch)
  }

  /**
   * Adds a record with the next number, durably. It is in force once a state confirms it.
   *
   * @throws {TrustError} `QIP_TRUST_DOCUMENT_MALFORMED` for an order that makes no record.
   * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`: the record may come into force later
   */
  add(order: RevocationOrder): Promise<RevocationRecord> {
    const adding = this.#writing.catch(() => undefined).then(() => this.#add(order))
    this.#writing = adding
    return adding
  }

  /** Finishes an addition whose outcome in the store was unknown: it is in the file, so it is in force. */
  settle(): Promise<void> {
    const settled = this.#writing.catch(() => undefined).then(() => this.#settle())
    this.#writing = settled
    return settled
  }

  async #add(order: RevocationOrder): Promise<RevocationRecord> {
    await this.#settle()
    if (this.epoch >= recordsMax) {
      throw new AuthorityError('QIP_AUTHORITY_REVOCATION_REFUSED', {
        reason: `there are ${recordsMax} records already`,
      })
    }
    const record: RevocationRecord = {
      ...order,
      epoch: this.epoch + 1,
      time: Math.floor(this.#clock.now() / 1_000),
    }
    const text = formatRecord(record)
    await this.#appendLine(text)
    this.#unsettled = { record, text }
    await this.#settle()
    return record
  }

  // The line of an earlier record whose fate in the store was unknown comes first: its number is taken.
  async #settle(): Promise<void> {
    if (this.#unsettled === undefined) return
    const { record, text } = this.#unsettled
    await this.#sql.transact([insertStatement(record.epoch, text)])
    this.#unsettled = undefined
    this.#take(record)
  }

  async #appendLine(text: string): Promise<void> {
    const line = utf8(`${text}\n`)
    // What is left of a failed write must not be taken for a line, or for the beginning of the next one.
    if (this.#mayBeTorn) await this.#file.truncate(this.#fileBytes)
    this.#mayBeTorn = true
    await this.#file.write(line, this.#fileBytes)
    await this.#file.sync()
    this.#mayBeTorn = false
    this.#fileBytes += line.length
  }

  #checkNext(record: RevocationRecord): void {
    if (record.epoch === this.epoch + 1) return
    throw this.#damaged(`revocation ${this.epoch + 1} is missing`)
  }

  #take(record: RevocationRecord): void {
    this.#checkNext(record)
    this.#chain = chainRevocation(this.#chain, record)
    this.#records.push(record)
  }

  /**
   * Makes store and file the same: either may lack the last records of the other. A torn last line was never
   * acknowledged, and goes; the store has it if it was.
   */
  async #recover(): Promise<void> {
    const bytes = await this.#file.read()
    let inFile = 0
    for (;;) {
      const end = bytes.indexOf(0x0a, this.#fileBytes) + 1
      if (end === 0) break
      const record = this.#readLine(bytes.subarray(this.#fileBytes, end), end === bytes.length)
      if (record === undefined) break
      await this.#reconcile(record)
      inFile = record.epoch
      this.#fileBytes = end
    }
    this.#mayBeTorn = this.#fileBytes < bytes.length
    for (const record of this.since(inFile)) await this.#appendLine(formatRecord(record))
  }

  async #reconcile(record: RevocationRecord): Promise<void> {
    const known = this.#records[record.epoch - 1]
    if (known === undefined) {
      this.#checkNext(record)
      await this.#sql.transact([insertStatement(record.epoch, formatRecord(record))])
      this.#take(record)
    } else if (formatRecord(record) !== formatRecord(known)) {
      throw this.#damaged(`its revocation ${record.epoch} is another one than the store's`)
    }
  }

  #readLine(line: Uint8Array, isLast: boolean): RevocationRecord | undefined {
    try {
      return parseRevocation(parseJson(parseUtf8(line)) as JsonObject)
    } catch (error) {
      if (!isQipError(error)) throw error
      if (isLast) return undefined
      throw this.#damaged(`a line of it is no revocation: ${error.code}`)
    }
  }

  #damaged(reason: string): AuthorityError {
    const next = 'put the last good copy of this file back: without it a revocation would be forgotten'
    return new AuthorityError('QIP_AUTHORITY_FILE_DAMAGED', { file: this.#file.name, reason, next })
  }
}

function formatRecord(record: RevocationRecord): string {
  return JSON.stringify(buildRevocation(record))
}

function insertStatement(epoch: number, record: string): SqlStatement {
  // An earlier attempt of unknown outcome may have written this very record.
  return {
    sql: 'INSERT INTO revocations (epoch, record) VALUES (?, ?) ON CONFLICT (epoch) DO NOTHING',
    params: [epoch, record],
  }
}
