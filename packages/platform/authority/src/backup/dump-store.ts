import { createHash } from 'node:crypto'
import { base64 } from '@quantum-ip/base'
import { type Migration, migrations, tablesOf } from '../store/migrations.ts'
import type { SqlRow, SqlSnapshot } from '../store/sql.ts'
import {
  type BackedUpLog,
  type BackedUpTable,
  backupFormat,
  type BackupHeader,
  formatValue,
} from './backup-format.ts'

/** What is read, and what to say of it. */
export interface DumpOptions {
  readonly header: BackupHeader
  /** Told how many rows are read, now and then. */
  readonly onProgress?: (table: string, rows: number) => void
  /** The steps of the data format; other ones are for tests. */
  readonly steps?: readonly Migration[]
}

const progressEveryRows = 256

/**
 * All of a store at one instant, as the lines of a backup, each with its line feed. What stands outside of the store is not in it:
 * private keys, high-water marks, the second copy of the revocations.
 */
export async function* dumpStore(snapshot: SqlSnapshot, options: DumpOptions): AsyncGenerator<string> {
  const { header, onProgress, steps = migrations } = options
  const whole = createHash('sha256')
  const counted = (line: string): string => {
    whole.update(line)
    return line
  }
  yield counted(formatLine({ format: backupFormat, ...header }))
  const tables: BackedUpTable[] = []
  for (const { name, order } of tablesOf(steps.slice(0, header.dataVersion - 1))) {
    const digest = createHash('sha256')
    let rows = 0
    let columns: readonly string[] | undefined
    for await (const batch of snapshot.rows(`SELECT * FROM ${name} ORDER BY ${order.join(', ')}`)) {
      for (const row of batch) {
        if (columns === undefined) {
          columns = Object.keys(row)
          yield counted(formatLine({ table: name, columns }))
        }
        const line = formatRow(row, columns)
        digest.update(line)
        yield counted(line)
        if (++rows % progressEveryRows === 0) onProgress?.(name, rows)
      }
    }
    tables.push({ name, rows, sha256: digest.digest('hex') })
  }
  const logs = await listLogs(snapshot)
  const revocations = tables.find(({ name }) => name === 'revocations')?.rows ?? 0
  yield formatLine({ end: true, tables, logs, revocations, sha256: whole.digest('hex') })
}

async function listLogs(snapshot: SqlSnapshot): Promise<readonly BackedUpLog[]> {
  const logs: BackedUpLog[] = []
  for await (const rows of snapshot.rows('SELECT origin, size, root, state FROM log_heads ORDER BY origin')) {
    for (const { origin, size, root, state } of rows) {
      logs.push({
        origin: origin as string,
        size: size as number,
        root: base64(root as Uint8Array),
        state: state as string,
      })
    }
  }
  return logs
}

function formatRow(row: SqlRow, columns: readonly string[]): string {
  return formatLine(columns.map((column) => formatValue(row[column] ?? null)))
}

function formatLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`
}
