import { base64, type Json, type JsonObject, parseBase64, parseJson } from '@quantum-ip/base'
import { AuthorityError } from '../authority-errors.ts'
import type { SqlValue } from '../store/sql.ts'

/**
 * A backup is text, one JSON value in each line, so that it can be read in ten years and restored into another engine:
 *
 * ```
 * { "format": "quantum-ip-backup/1", "trustDomain": …, "dataVersion": 2, "program": …, "madeMs": … }
 * { "table": "keys", "columns": ["kid", …] }
 * ["…", 12, null, { "b64": "…" }]          one line for each row
 * …
 * { "end": true, "tables": [{ "name", "rows", "sha256" }], "logs": [{ "origin", "size", "root", "state" }],
 *   "revocations": 3, "sha256": … }
 * ```
 *
 * The digest of a table is over the lines of its rows, each with its line feed; the one at the end over all lines before. They find
 * out what a disk or a transfer broke; that nobody has put another backup in its place, they cannot tell.
 */
export const backupFormat = 'quantum-ip-backup/1'

/** What stands at the beginning. */
export interface BackupHeader {
  readonly trustDomain: string
  readonly dataVersion: number
  /** Of the program that made it. */
  readonly program: string
  readonly madeMs: number
}

/** A table in a backup. */
export interface BackedUpTable {
  readonly name: string
  readonly rows: number
  /** Hexadecimal, over the lines of its rows. */
  readonly sha256: string
}

/** A log in a backup. */
export interface BackedUpLog {
  readonly origin: string
  readonly size: number
  /** Base64. */
  readonly root: string
  readonly state: string
}

/** What stands at the end: what the backup must hold to be whole. */
export interface BackupManifest {
  readonly tables: readonly BackedUpTable[]
  readonly logs: readonly BackedUpLog[]
  /** How many revocations there are. */
  readonly revocations: number
  /** Hexadecimal, over all lines before. */
  readonly sha256: string
}

/** A line of a backup, read. */
export type BackupLine =
  | { readonly kind: 'header'; readonly header: BackupHeader }
  | { readonly kind: 'table'; readonly name: string; readonly columns: readonly string[] }
  | { readonly kind: 'row'; readonly values: readonly SqlValue[] }
  | { readonly kind: 'end'; readonly manifest: BackupManifest }

/** A value of a row as it stands in a backup. */
export function formatValue(value: SqlValue): Json {
  return value instanceof Uint8Array ? { b64: base64(value) } : value
}

/** Reads a line. @throws {AuthorityError} `QIP_AUTHORITY_BACKUP_DAMAGED` */
export function parseBackupLine(text: string, number: number): BackupLine {
  try {
    return readLine(parseJson(text))
  } catch (cause) {
    const reason = `line ${number} is none of a backup`
    throw new AuthorityError('QIP_AUTHORITY_BACKUP_DAMAGED', { reason }, { cause })
  }
}

function readLine(json: Json): BackupLine {
  if (isList(json)) return { kind: 'row', values: json.map((value) => readValue(value)) }
  if (!isObject(json)) throw new TypeError('neither a row nor an object')
  if ('format' in json) return { kind: 'header', header: readHeader(json) }
  if ('table' in json) {
    return {
      kind: 'table',
      name: name(json['table']),
      columns: list(json['columns']).map((one) => name(one)),
    }
  }
  if (json['end'] === true) return { kind: 'end', manifest: readManifest(json) }
  throw new TypeError('an unknown line')
}

function readHeader(json: JsonObject): BackupHeader {
  if (json['format'] !== backupFormat) throw new TypeError('another format')
  return {
    trustDomain: text(json['trustDomain']),
    dataVersion: integer(json['dataVersion']),
    program: text(json['program']),
    madeMs: integer(json['madeMs']),
  }
}

function readManifest(json: JsonObject): BackupManifest {
  return {
    tables: list(json['tables']).map((row) => {
      const { name: table, rows, sha256 } = object(row)
      return { name: name(table), rows: integer(rows), sha256: text(sha256) }
    }),
    logs: list(json['logs']).map((row) => {
      const { origin, size, root, state } = object(row)
      return { origin: text(origin), size: integer(size), root: text(root), state: text(state) }
    }),
    revocations: integer(json['revocations']),
    sha256: text(json['sha256']),
  }
}

function readValue(json: Json): SqlValue {
  if (json === null || typeof json === 'string') return json
  if (typeof json === 'number') return integer(json)
  return parseBase64(text(object(json)['b64']))
}

function isList(json: Json | undefined): json is Json[] {
  return Array.isArray(json)
}

function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function object(json: Json | undefined): JsonObject {
  if (!isObject(json)) throw new TypeError('no object')
  return json
}

function list(json: Json | undefined): readonly Json[] {
  if (!isList(json)) throw new TypeError('no list')
  return json
}

function text(json: Json | undefined): string {
  if (typeof json !== 'string') throw new TypeError('no text')
  return json
}

/** The name of a table or column: it goes into a statement, so nothing else than a name will do. */
function name(json: Json | undefined): string {
  const word = text(json)
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(word)) throw new TypeError('no name')
  return word
}

function integer(json: Json | undefined): number {
  if (typeof json !== 'number' || !Number.isSafeInteger(json)) throw new TypeError('no whole number')
  return json
}
