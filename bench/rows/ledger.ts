// ledger_append: 1 KB entries, durable, in process, on SQLite.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLog } from '@quantum-ip/log'
import { schemaOfVersion1 } from '../../packages/platform/authority/src/store/schema.ts'
import {
  createLogStatement,
  sqlLogStorage,
} from '../../packages/platform/authority/src/store/sql-log-storage.ts'
import { openSqlite } from '../../packages/platform/authority/src/store/sqlite.ts'
import { percentile, round, type Rows } from '../lib/measure.ts'

const origin = 'acme.example/attestations/1'
const batch = 256
const entryBytes = 1_024

/** Appends until `entries` are there, and looks up entries with their proofs on the way. */
export async function ledgerAppend(entries: number, progress: (text: string) => void): Promise<Rows> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-bench-ledger-'))
  try {
    const sql = await openSqlite(join(folder, 'ledger.db'), schemaOfVersion1)
    await sql.transact([createLogStatement(origin)])
    const log = await openLog({ storage: sqlLogStorage(sql, origin), origin, batchEntriesMax: batch })
    const rates: number[] = []
    const lookups: number[] = []
    const stretch = Math.max(10_000, Math.floor(entries / 12))
    const entry = new Uint8Array(entryBytes)
    while (log.head().size < entries) {
      const started = performance.now()
      const until = Math.min(entries, log.head().size + stretch)
      const before = log.head().size
      // Two batches under way, as group commit has it under load.
      while (log.head().size < until) {
        await Promise.all(
          [0, 1].map(() =>
            log.append(Array.from({ length: batch }, (_, i) => numbered(entry, log.head().size + i))),
          ),
        )
      }
      rates.push(((log.head().size - before) * 1_000) / (performance.now() - started))
      for (let i = 0; i < 50; i++) {
        const index = Math.floor(Math.random() * log.head().size)
        const asked = performance.now()
        await Promise.all([log.entry(index), log.inclusionProof(index)])
        lookups.push(performance.now() - asked)
      }
      progress(`${log.head().size} entries, ${Math.round(rates.at(-1) ?? 0)}/s`)
    }
    await log.close()
    await sql.close()
    const slowest = Math.min(...rates)
    const flat = slowest / percentile(rates, 0.5)
    const p95 = percentile(lookups, 0.95)
    return {
      ledger_append: {
        value: Math.round(percentile(rates, 0.5)),
        unit: 'entries/s',
        bar: `>= 20000, flat within 30 %, lookup p95 <= 2 ms, ${entries} entries`,
        reached: slowest >= 20_000 && flat >= 0.7 && p95 <= 2,
        detail: {
          slowest: Math.round(slowest),
          'slowest to median': round(flat),
          'lookup p95 ms': round(p95),
        },
      },
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function numbered(template: Uint8Array, number: number): Uint8Array {
  const entry = template.slice()
  new DataView(entry.buffer).setFloat64(0, number)
  return entry
}
