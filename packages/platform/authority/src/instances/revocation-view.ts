import { hex, type JsonObject, parseJson, parseUtf8, utf8 } from '@quantum-ip/base'
import {
  buildRevocation,
  chainRevocation,
  parseRevocation,
  revocationChainStart,
  type RevocationRecord,
} from '@quantum-ip/trust'
import type { DurableFile } from '../store/durable-file.ts'
import type { Sql } from '../store/sql.ts'

/**
 * The revocations as an instance knows them that does not lead: out of the store, and copied into the file beside it. If the store
 * loses some, whichever instance leads next gives them back from its copy.
 */
export class RevocationView {
  readonly #sql: Sql
  readonly #file: DurableFile
  #records: RevocationRecord[] = []
  #chain: Uint8Array = revocationChainStart
  #isCopying = true

  constructor(sql: Sql, file: DurableFile) {
    this.#sql = sql
    this.#file = file
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

  since(epoch: number): readonly RevocationRecord[] {
    return this.#records.slice(epoch)
  }

  /** Reads what is new. @returns the records */
  async refresh(): Promise<readonly RevocationRecord[]> {
    const fresh = await this.#read(this.epoch)
    for (const record of fresh) this.#take(record)
    if (fresh.length > 0 && this.#isCopying) await this.#copy()
    return fresh
  }

  /**
   * Brings the copy in line with the store, for a leader to open it. What the file has beyond the store stays: the store lost it.
   *
   * @returns records of the file that the store has others in the place of: they were in force here
   */
  async settle(): Promise<readonly RevocationRecord[]> {
    this.#isCopying = false
    this.#records = []
    this.#chain = revocationChainStart
    for (const record of await this.#read(0)) this.#take(record)
    const inFile = await this.#readFile()
    const other = inFile.findIndex(
      (record, i) => i < this.epoch && format(record) !== format(this.#records[i] as RevocationRecord),
    )
    if (other === -1 && inFile.length >= this.epoch) return []
    await this.#write(other === -1 ? inFile.length : other)
    return other === -1 ? [] : inFile.slice(other)
  }

  /** From here on the file is this view's again: nobody leads from it any more. */
  async resume(): Promise<void> {
    await this.settle()
    this.#isCopying = true
  }

  async #read(after: number): Promise<readonly RevocationRecord[]> {
    const rows = await this.#sql.query('SELECT record FROM revocations WHERE epoch > ? ORDER BY epoch', [
      after,
    ])
    return rows.map((row) => parseRevocation(parseJson(row['record'] as string) as JsonObject))
  }

  async #readFile(): Promise<readonly RevocationRecord[]> {
    const bytes = await this.#file.read()
    // A torn last line was never acknowledged.
    const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1)
    return parseUtf8(whole)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => parseRevocation(parseJson(line) as JsonObject))
  }

  async #copy(): Promise<void> {
    const inFile = await this.#readFile()
    if (inFile.length < this.epoch) await this.#write(inFile.length)
  }

  /** Writes the records from `from` on behind the first `from` lines. */
  async #write(from: number): Promise<void> {
    const bytes = await this.#file.read()
    let at = 0
    for (let line = 0; line < from; line++) at = bytes.indexOf(0x0a, at) + 1
    await this.#file.truncate(at)
    const lines = this.since(from).map((record) => `${format(record)}\n`)
    if (lines.length > 0) await this.#file.write(utf8(lines.join('')), at)
    await this.#file.sync()
  }

  #take(record: RevocationRecord): void {
    this.#chain = chainRevocation(this.#chain, record)
    this.#records.push(record)
  }
}

/** What a record is about, whatever its number: the same revocation, ordered twice, has the same. */
export function matterOf({ kind, value, log, from, before }: RevocationRecord): string {
  return hex(utf8(JSON.stringify([kind, value, log ?? null, from ?? null, before ?? null])))
}

function format(record: RevocationRecord): string {
  return JSON.stringify(buildRevocation(record))
}
