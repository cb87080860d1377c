import { createHash } from 'node:crypto'
import { AuthorityError } from '../authority-errors.ts'
import { migrations, type Migration, tablesOf, versionAfter, wholeSchema } from '../store/migrations.ts'
import type { Sql, SqlValue } from '../store/sql.ts'
import { type BackupHeader, type BackupManifest, type BackupLine, parseBackupLine } from './backup-format.ts'

/** What a backup says of itself, when all of it was read and is whole. */
export interface BackupContents {
  readonly header: BackupHeader
  readonly manifest: BackupManifest
}

/** How a backup is read. */
export interface LoadOptions {
  /** An empty store, that the rows go into; absent: they are only counted and compared. */
  readonly sql?: Sql
  readonly onProgress?: (table: string, rows: number) => void
  /** The steps of the data format; other ones are for tests. */
  readonly steps?: readonly Migration[]
}

// Rows of one transaction.
const rowsAtOnce = 256

/**
 * Reads a backup to its end: every line, and the digests over them. With a store, makes the tables of the backup's version in it
 * and fills them.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_BACKUP_DAMAGED` · `QIP_AUTHORITY_DATA_VERSION` for one of a newer version ·
 *   `QIP_AUTHORITY_STORE_UNAVAILABLE`
 */
export async function loadBackup(
  lines: AsyncIterable<string>,
  options: LoadOptions = {},
): Promise<BackupContents> {
  const reader = new BackupReader(options)
  for await (const line of lines) await reader.take(line)
  return reader.finish()
}

interface OpenTable {
  readonly name: string
  readonly columns: readonly string[]
  readonly digest: ReturnType<typeof createHash>
  rows: number
}

class BackupReader {
  readonly #options: LoadOptions
  readonly #whole = createHash('sha256')
  readonly #read = new Map<string, { readonly rows: number; readonly sha256: string }>()
  #lines = 0
  #header: BackupHeader | undefined
  #manifest: BackupManifest | undefined
  #table: OpenTable | undefined
  #waiting: (readonly SqlValue[])[] = []

  constructor(options: LoadOptions) {
    this.#options = options
  }

  async take(text: string): Promise<void> {
    this.#lines += 1
    if (this.#manifest !== undefined) throw damaged('something stands behind its end')
    const line = parseBackupLine(text, this.#lines)
    if ((line.kind === 'header') !== (this.#lines === 1)) throw damaged('it does not begin with its header')
    if (line.kind !== 'end') this.#whole.update(`${text}\n`)
    if (line.kind === 'row') return this.#takeRow(text, line.values)
    await this.#endTable()
    await this.#begin(line)
  }

  finish(): BackupContents {
    if (this.#header === undefined || this.#manifest === undefined) throw damaged('its end is missing')
    const known = new Set(this.#manifest.tables.map(({ name }) => name))
    for (const name of this.#read.keys())
      if (!known.has(name)) throw damaged(`table ${name} is not announced`)
    for (const { name, rows, sha256 } of this.#manifest.tables) {
      const read = this.#read.get(name)
      if ((read?.rows ?? 0) !== rows || (read !== undefined && read.sha256 !== sha256)) {
        throw damaged(`table ${name} has other rows than when it was made`)
      }
    }
    if (this.#whole.digest('hex') !== this.#manifest.sha256) throw damaged('its digest is another one')
    return { header: this.#header, manifest: this.#manifest }
  }

  async #begin(line: Exclude<BackupLine, { kind: 'row' }>): Promise<void> {
    if (line.kind === 'header') await this.#makeTables(line.header)
    else if (line.kind === 'end') this.#manifest = line.manifest
    else this.#openTable(line)
  }

  async #makeTables(header: BackupHeader): Promise<void> {
    const { sql, steps = migrations } = this.#options
    const wanted = versionAfter(steps)
    const { dataVersion: found } = header
    if (found < 1 || found > wanted) throw new AuthorityError('QIP_AUTHORITY_DATA_VERSION', { found, wanted })
    this.#header = header
    const statements = wholeSchema(steps.slice(0, found - 1))
    await sql?.transact(statements.map((statement) => ({ sql: statement })))
  }

  #openTable({ name, columns }: { readonly name: string; readonly columns: readonly string[] }): void {
    const { steps = migrations } = this.#options
    const tables = tablesOf(steps.slice(0, (this.#header?.dataVersion ?? 1) - 1))
    if (!tables.some((table) => table.name === name)) throw damaged(`its version has no table ${name}`)
    if (this.#read.has(name)) throw damaged(`table ${name} stands there twice`)
    this.#table = { name, columns, digest: createHash('sha256'), rows: 0 }
  }

  async #takeRow(text: string, values: readonly SqlValue[]): Promise<void> {
    const table = this.#table
    if (table === undefined || values.length !== table.columns.length) {
      throw damaged(`line ${this.#lines} is a row of no table`)
    }
    table.digest.update(`${text}\n`)
    table.rows += 1
    if (this.#options.sql !== undefined) this.#waiting.push(values)
    if (table.rows % rowsAtOnce !== 0) return
    this.#options.onProgress?.(table.name, table.rows)
    await this.#write(table)
  }

  async #endTable(): Promise<void> {
    const table = this.#table
    if (table === undefined) return
    await this.#write(table)
    this.#read.set(table.name, { rows: table.rows, sha256: table.digest.digest('hex') })
    this.#table = undefined
  }

  async #write({ name, columns }: OpenTable): Promise<void> {
    const each = this.#waiting
    this.#waiting = []
    if (each.length === 0) return
    const marks = columns.map(() => '?').join(', ')
    await this.#options.sql?.transact([
      { sql: `INSERT INTO ${name} (${columns.join(', ')}) VALUES (${marks})`, each },
    ])
  }
}

function damaged(reason: string): AuthorityError {
  return new AuthorityError('QIP_AUTHORITY_BACKUP_DAMAGED', { reason })
}
