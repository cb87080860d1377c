import { adjudicationsSchema } from './adjudications-schema.ts'
import { decisionHoursSchema } from './decision-hours-schema.ts'
import { decisionsSchema, indexOldDecisions } from './decisions-schema.ts'
import { detectionSchema } from './detection-schema.ts'
import { instancesSchema } from './instances-schema.ts'
import { operationsSchema } from './operations-schema.ts'
import { policiesSchema } from './policies-schema.ts'
import { recordsSchema } from './records-schema.ts'
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
  {
    summary: 'rotations of keys, and the members that they wait for',
    statements: [
      // Every change of a key, from its order to its end: `from_kid` signs until `to_kid` does. `instance` is whose issuing key it
      // is, empty where the key is everybody's. One waits at a time.
      `CREATE TABLE rotations (
         number INTEGER PRIMARY KEY, use TEXT NOT NULL, instance TEXT NOT NULL, from_kid TEXT NOT NULL, to_kid TEXT NOT NULL,
         cause TEXT NOT NULL, asked_by TEXT NOT NULL, phase TEXT NOT NULL, started_ms INTEGER NOT NULL, gate_sequence INTEGER,
         held_ms INTEGER, activated_ms INTEGER, ended_ms INTEGER, outcome TEXT, detail TEXT, probe TEXT)`,
      `CREATE UNIQUE INDEX rotations_waiting ON rotations (use, instance) WHERE phase = 'waiting'`,
      // Who is enrolled, and what each one said last. A rotation must find its members again after a restart, the silent ones too.
      `CREATE TABLE members (
         session TEXT NOT NULL, point TEXT NOT NULL, sid TEXT NOT NULL, kind TEXT NOT NULL, region TEXT, seq INTEGER NOT NULL,
         epoch INTEGER NOT NULL, bundle_sequence INTEGER NOT NULL, probes INTEGER NOT NULL, probe TEXT, probe_reason TEXT,
         seen_ms INTEGER NOT NULL, lease_ms INTEGER NOT NULL, PRIMARY KEY (session, point)) WITHOUT ROWID`,
    ],
  },
  {
    summary: 'security events, the uses of keys, and which token a decision was about',
    statements: detectionSchema,
  },
  {
    summary: 'sealed records of issuance and admission, and where closed logs ended',
    statements: recordsSchema,
  },
  {
    summary: 'several authorities on one store',
    statements: instancesSchema,
  },
  {
    summary: 'decisions found by all that they are asked by, and how many were suppressed',
    statements: decisionsSchema,
    rewrite: indexOldDecisions,
  },
  {
    summary: 'incidents, and windows in which alerts are not wanted',
    statements: operationsSchema,
  },
  {
    summary: 'policies, their rollouts, and what members count under them',
    statements: policiesSchema,
  },
  {
    summary: 'what operators say of decisions, and keys of sealed fields',
    statements: adjudicationsSchema,
  },
  {
    summary: 'decisions summed up by hour',
    statements: decisionHoursSchema,
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
  const statements = wholeSchema(steps)
  const dropped = new Set(statements.map((statement) => /^DROP TABLE (\w+)/.exec(statement)?.[1]))
  return statements.flatMap((statement) => {
    const name = /^CREATE TABLE (?:IF NOT EXISTS )?(\w+)/.exec(statement)?.[1]
    if (name === undefined || dropped.has(name)) return []
    const several = /PRIMARY KEY \(([^)]+)\)/.exec(statement)?.[1]
    const single = /(\w+) \w+ PRIMARY KEY/.exec(statement)?.[1]
    return [{ name, order: (several ?? single ?? '').split(',').map((column) => column.trim()) }]
  })
}
