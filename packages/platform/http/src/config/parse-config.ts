import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Json } from '@quantum-ip/base'
import { Compile } from 'typebox/compile'
import { HttpError } from '../http-errors.ts'
import { fileReason } from '../lib/file-reason.ts'
import { schemaFaults } from '../lib/schema-fault.ts'
import type { SchemaNode } from '../lib/schema-tree.ts'
import { readYaml, type YamlText } from '../yaml/read-yaml.ts'
import { checkRelations } from './check-relations.ts'
import { checkShape } from './check-shape.ts'
import { checkInterpolation, checkValues } from './check-values.ts'
import type { Config } from './config.ts'
import { type Effective, effectiveConfig } from './effective.ts'
import { type ConfigFault, formatConfigPath } from './fault.ts'
import { resolveConfig } from './resolve-config.ts'
import { configSchema } from './schema.ts'

/** What {@link parseConfig} takes. */
export interface ParseConfigOptions {
  /** What relative paths are relative to. Absent: the directory of `source`. */
  readonly directory?: string
}

/** A configuration and how it came about. */
export interface ReadConfig {
  readonly config: Config
  /** In the words of the file, with every default. */
  readonly effective: Effective
  readonly text: YamlText
}

/**
 * Parses `quantum-ip.yaml`: strict, with every default filled in. An empty text is the default configuration.
 *
 * `source` is the file's path, for errors and for relative paths. Nothing is read but the text: that files exist is
 * found out by who opens them.
 *
 * @throws {HttpError} `QIP_HTTP_YAML_MALFORMED` if it is not strict YAML.
 * @throws {HttpError} `QIP_HTTP_CONFIG_UNKNOWN_KEY` with line, path and the nearest known key.
 * @throws {HttpError} `QIP_HTTP_CONFIG_INVALID` with line, path and reason.
 */
export function parseConfig(text: string, source: string, options?: ParseConfigOptions): Config {
  return readConfigText(text, source, options).config
}

/**
 * All that is wrong with a configuration, in the order in which it is found; empty if nothing is. For `qip config check`.
 *
 * Values are checked once the keys are right, and what they have to do with each other once the values are.
 */
export function checkConfig(
  text: string,
  source: string,
  options?: ParseConfigOptions,
): readonly HttpError[] {
  const read = tryConfig(text, source, options)
  return 'faults' in read ? read.faults : []
}

/**
 * Reads and parses a configuration file.
 *
 * @throws {HttpError} `QIP_HTTP_FILE_UNREADABLE`, and as {@link parseConfig}.
 */
export async function readConfigFile(path: string): Promise<Config> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new HttpError(
      'QIP_HTTP_FILE_UNREADABLE',
      { path, what: 'configuration', reason: fileReason(cause) },
      { cause },
    )
  }
  return parseConfig(text, path)
}

/** {@link parseConfig}, with what it was made of. */
export function readConfigText(text: string, source: string, options?: ParseConfigOptions): ReadConfig {
  const read = tryConfig(text, source, options)
  if (!('faults' in read)) return read
  const [first] = read.faults
  throw first ?? new TypeError('no fault')
}

const validator = Compile(configSchema)
const schema = configSchema as unknown as SchemaNode

function tryConfig(
  text: string,
  source: string,
  { directory = dirname(resolve(source)) }: ParseConfigOptions = {},
): ReadConfig | { readonly faults: readonly HttpError[] } {
  const yaml = readYaml(text, { source })
  const value = yaml.value ?? {}
  const report = (faults: readonly ConfigFault[]): { readonly faults: readonly HttpError[] } => ({
    faults: faults.map((fault) => configError(fault, source, yaml)),
  })
  const first = [...checkInterpolation(value), ...checkSchema(value)]
  if (first.length > 0) return report(first)
  const effective = effectiveConfig(schema, value)
  const values = [...checkValues(schema, effective.value), ...checkShape(effective.value)]
  if (values.length > 0) return report(values)
  const config = resolveConfig(effective.value, directory)
  const relations = checkRelations(config)
  return relations.length > 0 ? report(relations) : { config, effective, text: yaml }
}

function checkSchema(value: Json): readonly ConfigFault[] {
  if (validator.Check(value)) return []
  const faults = schemaFaults(configSchema, value, validator.Errors(value)).map((fault): ConfigFault => {
    const { path, reason, unknown, nearest } = fault
    return { path, reason, unknown: unknown !== undefined, nearest }
  })
  return faults.length > 0 ? faults : [{ path: [], reason: 'not as expected' }]
}

function configError(fault: ConfigFault, source: string, yaml: YamlText): HttpError {
  const at = { source, ...yaml.locate(fault.path), path: formatConfigPath(fault.path) }
  const { reason, next, unknown, nearest } = fault
  if (unknown === true) {
    return new HttpError('QIP_HTTP_CONFIG_UNKNOWN_KEY', nearest === undefined ? at : { ...at, nearest })
  }
  const meant = next ?? (nearest === undefined ? undefined : `did you mean \`${nearest}\``)
  return new HttpError('QIP_HTTP_CONFIG_INVALID', {
    ...at,
    reason,
    ...(meant === undefined ? {} : { next: meant }),
  })
}
