import type { Json } from '@quantum-ip/base'
import { stringify } from 'yaml'
import type { Path } from '../lib/schema-tree.ts'
import { formatConfigPath } from './fault.ts'
import { type ParseConfigOptions, type ReadConfig, readConfigText } from './parse-config.ts'
import { sqliteDefault } from './resolve-config.ts'

/** One effective value of a configuration. */
export interface ConfigValue {
  /** `gateway.limits.inFlight` */
  readonly path: string
  readonly value: Json
  /** The line of the file, absent for a default. */
  readonly line: number | undefined
}

/**
 * Every effective value of a configuration, in the order of the schema, and where it comes from.
 *
 * @throws {HttpError} as `parseConfig`.
 */
export function listConfig(
  text: string,
  source: string,
  options?: ParseConfigOptions,
): readonly ConfigValue[] {
  return leaves(readConfigText(text, source, options)).map(({ path, value, line }) => ({
    path: formatConfigPath(path),
    value,
    line,
  }))
}

/**
 * The effective configuration as YAML, each value with where it comes from: what `qip config show` prints. It parses
 * back to the same configuration.
 *
 * @throws {HttpError} as `parseConfig`.
 */
export function formatConfig(text: string, source: string, options?: ParseConfigOptions): string {
  const read = readConfigText(text, source, options)
  const rows: Row[] = []
  writeMapping(withStore(read), { path: [], indent: '', dash: '', read }, rows)
  const width = Math.min(60, Math.max(0, ...rows.map((row) => (row.note === '' ? 0 : row.text.length))))
  return rows
    .map(({ text, note }) => (note === '' ? `${text}\n` : `${text.padEnd(width)}  # ${note}\n`))
    .join('')
}

interface Leaf {
  readonly path: Path
  readonly value: Json
  readonly line: number | undefined
}

function leaves(read: ReadConfig): readonly Leaf[] {
  const found: Leaf[] = []
  const visit = (value: Json, path: Path): void => {
    if (isBranch(value)) for (const [part, child] of entries(value)) visit(child, [...path, part])
    else found.push({ path, value, line: lineOf(read, path) })
  }
  visit(withStore(read), [])
  return found
}

function lineOf({ effective, text }: ReadConfig, path: Path): number | undefined {
  return effective.fromFile(path) ? text.locate(path).line : undefined
}

// The one default that depends on another key.
function withStore({ config, effective }: ReadConfig): { [name: string]: Json } {
  const store = effective.value['store'] as { [name: string]: Json }
  if (config.store.kind !== 'sqlite' || store['sqlite'] !== undefined) return effective.value
  return { ...effective.value, store: { sqlite: sqliteDefault, ...store } }
}

interface Row {
  readonly text: string
  readonly note: string
}

interface Writing {
  readonly path: Path
  readonly indent: string
  /** `- ` in front of the first key of a list's item. */
  readonly dash: string
  readonly read: ReadConfig
}

function writeMapping(value: { readonly [name: string]: Json }, at: Writing, rows: Row[]): void {
  let lead = at.dash
  for (const [name, child] of Object.entries(value)) {
    const path = [...at.path, name]
    const head = `${at.indent}${lead}${name}:`
    writeValue(child, { ...at, path, indent: at.indent + (at.dash === '' ? '' : '  ') }, { head, rows })
    lead = at.dash === '' ? '' : '  '
  }
}

function writeValue(value: Json, at: Writing, { head, rows }: { head: string; rows: Row[] }): void {
  if (!isBranch(value)) {
    const line = lineOf(at.read, at.path)
    rows.push({ text: `${head} ${scalar(value)}`, note: line === undefined ? 'default' : `line ${line}` })
    return
  }
  rows.push({ text: head, note: '' })
  const indent = `${at.indent}  `
  if (!Array.isArray(value)) {
    writeMapping(value, { ...at, indent, dash: '' }, rows)
    return
  }
  for (const [index, child] of value.entries()) {
    const path = [...at.path, index]
    if (isBranch(child) && !Array.isArray(child))
      writeMapping(child, { ...at, path, indent, dash: '- ' }, rows)
    else writeValue(child, { ...at, path, indent }, { head: `${indent}-`, rows })
  }
}

// Flow style, on one line: an empty list, a word, a number.
function scalar(value: Json): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0, version: '1.2' }).trimEnd()
}

function isBranch(value: Json): value is Json[] | { [name: string]: Json } {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0
}

function entries(value: Json[] | { [name: string]: Json }): Iterable<[string | number, Json]> {
  return Array.isArray(value) ? value.entries() : Object.entries(value)
}
