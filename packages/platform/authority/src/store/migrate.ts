import { AuthorityError } from '../authority-errors.ts'
import { readMeta, writeMetaStatement } from './meta.ts'
import { type Migration, migrations, versionAfter, wholeSchema } from './migrations.ts'
import type { Sql } from './sql.ts'

/** How a store is brought to the newest version. */
export interface MigrationOptions {
  readonly nowMs: number
  /** Called before the first step on data that is there: the moment for a backup. What it throws stops everything. */
  readonly beforeStep?: (from: number, to: number) => Promise<void>
  /** The steps; other ones are for tests. */
  readonly steps?: readonly Migration[]
}

/**
 * Makes the tables of an empty store, and brings an older one to the newest version: step after step, each in one transaction
 * with the number that says so. A step that fails leaves the data of its version whole.
 *
 * @returns the version that was found, `undefined` for an empty store
 * @throws {AuthorityError} `QIP_AUTHORITY_DATA_VERSION` for data of a newer version · `QIP_AUTHORITY_MIGRATION_FAILED`
 */
export async function migrate(sql: Sql, options: MigrationOptions): Promise<number | undefined> {
  const { steps = migrations, nowMs } = options
  const wanted = versionAfter(steps)
  const found = await readVersion(sql)
  if (found === undefined) {
    await sql.transact([
      ...wholeSchema(steps).map((statement) => ({ sql: statement })),
      writeMetaStatement('data-version', String(wanted)),
    ])
    return undefined
  }
  if (!(found >= 1 && found <= wanted))
    throw new AuthorityError('QIP_AUTHORITY_DATA_VERSION', { found, wanted })
  if (found === wanted) return found
  await options.beforeStep?.(found, wanted)
  for (let from = found; from < wanted; from++) {
    await takeStep(sql, steps[from - 1] as Migration, { from, nowMs })
  }
  return found
}

async function takeStep(
  sql: Sql,
  step: Migration,
  { from, nowMs }: { readonly from: number; readonly nowMs: number },
): Promise<void> {
  const to = from + 1
  try {
    const rewritten = (await step.rewrite?.(sql)) ?? []
    await sql.transact([
      // First of all: two processes that both want to take this step exclude each other here.
      {
        sql: "UPDATE meta SET value = ? WHERE name = 'data-version' AND value = ?",
        params: [String(to), String(from)],
        expect: 1,
        what: 'the version of the data',
      },
      ...step.statements.map((statement) => ({ sql: statement })),
      ...rewritten,
      {
        sql: 'INSERT INTO data_versions (version, time_ms, summary) VALUES (?, ?, ?)',
        params: [to, nowMs, step.summary],
      },
    ])
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'unknown'
    throw new AuthorityError('QIP_AUTHORITY_MIGRATION_FAILED', { from, to, reason }, { cause })
  }
}

/** The version of the data; `undefined` where there is none yet. */
async function readVersion(sql: Sql): Promise<number | undefined> {
  const text = await readMeta(sql, 'data-version')
  return text === undefined ? undefined : Number(text)
}
