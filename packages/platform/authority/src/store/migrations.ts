import { metaSchema, schemaOfVersion1 } from './schema.ts'
import type { Sql, SqlStatement } from './sql.ts'

/** One step of the data format to the next version. */
export interface Migration {
  /** What it is for, in a few words. */
  readonly summary: string
  /** The statements of the step, which are one transaction. A change of tables only, as far as it goes. */
  readonly statements: readonly string[]
  /** What statements alone cannot do: reads the old data, and returns what else belongs into the transaction. */
  readonly rewrite?: (sql: Sql) => Promise<readonly SqlStatement[]>
}

/**
 * The steps of the data format, in order; the first one leads from version 1 to version 2. A step that has been released never
 * changes and never goes: whoever updates from an old version takes all of them.
 */
export const migrations: readonly Migration[] = [
  {
    summary: 'keeps when the data went over to a version',
    statements: [
      `CREATE TABLE data_versions (
         version INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, summary TEXT NOT NULL)`,
    ],
  },
]

/** The version of the data format that this program works with. */
export const dataVersion = versionAfter(migrations)

/** The version that `steps` lead to. */
export function versionAfter(steps: readonly Migration[]): number {
  return 1 + steps.length
}

/** All statements that make an empty store of the newest version. */
export function wholeSchema(steps: readonly Migration[] = migrations): readonly string[] {
  return [...metaSchema, ...schemaOfVersion1, ...steps.flatMap(({ statements }) => statements)]
}

/** A table, and the columns that make its rows unique: the order in which they are read. */
export interface TableShape {
  readonly name: string
  readonly order: readonly string[]
}

/** The tables after `steps`, in the order in which they were made. */
export function tablesOf(steps: readonly Migration[] = migrations): readonly TableShape[] {
  return wholeSchema(steps).flatMap((statement) => {
    const name = /^CREATE TABLE (?:IF NOT EXISTS )?(\w+)/.exec(statement)?.[1]
    if (name === undefined) return []
    const several = /PRIMARY KEY \(([^)]+)\)/.exec(statement)?.[1]
    const single = /(\w+) \w+ PRIMARY KEY/.exec(statement)?.[1]
    return [{ name, order: (several ?? single ?? '').split(',').map((column) => column.trim()) }]
  })
}
