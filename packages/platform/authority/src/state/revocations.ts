import { open, readFile } from 'node:fs/promises'
import { type Clock, type JsonObject, parseJson } from '@quantum-ip/base'
import {
  buildRevocation,
  chainRevocation,
  parseRevocation,
  revocationChainStart,
  type RevocationRecord,
} from '@quantum-ip/trust'
import { AuthorityError } from '../authority-errors.ts'
import type { Sql } from '../store/sql.ts'

/** What an operator asks for: a record without its number and time. */
export type RevocationOrder = Omit<RevocationRecord, 'epoch' | 'time'>

const recordsMax = 1_000_000

/**
 * The revocations of the trust domain: numbered without gaps and chained.
 *
 * They are written to the store and, before that, to a file beside it. A restored backup that lacks the last ones gets them
 * back from there: what was revoked stays revoked.
 */
export class Revocations {
  readonly #sql: Sql
  readonly #file: string
  readonly #clock: Clock
  readonly #records: RevocationRecord[]
  #chain: Uint8Array
  #writing: Promise<unknown> = Promise.resolve()

  private constructor(sql: Sql, file: string, clock: Clock) {
    this.#sql = sql
    this.#file = file
    this.#clock = clock
    this.#records = []
    this.#chain = revocationChainStart
  }

  /** @param file where the second copy is kept, outside the store */
  static async open(sql: Sql, file: string, clock: Clock): Promise<Revocations> {
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
   */
  add(order: RevocationOrder): Promise<RevocationRecord> {
    const adding = this.#writing.catch(() => undefined).then(() => this.#add(order))
    this.#writing = adding
    return adding
  }

  async #add(order: RevocationOrder): Promise<RevocationRecord> {
    if (this.epoch >= recordsMax) {
      throw new AuthorityError('QIP_AUTHORITY_REVOCATION_REFUSED', { reason: `there are ${recordsMax} records already` })
    }
    const record: RevocationRecord = {
      ...order,
      epoch: this.epoch + 1,
      time: Math.floor(this.#clock.now() / 1_000),
    }
    const text = JSON.stringify(buildRevocation(record))
    await appendLine(this.#file, text)
    await this.#sql.transact([insertStatement(record.epoch, text)])
    this.#take(record)
    return record
  }

  #take(record: RevocationRecord): void {
    if (record.epoch !== this.epoch + 1) {
      throw new AuthorityError('QIP_AUTHORITY_FILE_DAMAGED', {
        file: this.#file,
        reason: `revocation ${this.epoch + 1} is missing`,
      })
    }
    this.#chain = chainRevocation(this.#chain, record)
    this.#records.push(record)
  }

  /** Takes over what the file has and the store lacks. A torn last line was never acknowledged. */
  async #recover(): Promise<void> {
    const text = await readFile(this.#file, 'utf8').catch(() => '')
    const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n').filter((line) => line !== '')
    for (const line of lines) {
      const record = parseRevocation(parseJson(line) as JsonObject)
      if (record.epoch <= this.epoch) continue
      await this.#sql.transact([insertStatement(record.epoch, line)])
      this.#take(record)
    }
  }
}

function insertStatement(epoch: number, record: string): { sql: string; params: readonly (string | number)[] } {
  return { sql: 'INSERT INTO revocations (epoch, record) VALUES (?, ?)', params: [epoch, record] }
}

async function appendLine(file: string, line: string): Promise<void> {
  const handle = await open(file, 'a', 0o600)
  try {
    await handle.appendFile(`${line}\n`)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}
