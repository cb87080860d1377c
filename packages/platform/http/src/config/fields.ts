import { type TSchema, Type } from 'typebox'
import { durationPattern, listenPattern, sharePattern, sizePattern } from './units.ts'

/**
 * What the text of a field means beyond its JSON type; `x-kind` in the schema. Checked by `check-values.ts`,
 * converted by `section.ts`.
 */
export type FieldKind =
  | 'duration'
  | 'size'
  | 'share'
  | 'path'
  | 'listen'
  | 'trust-domain'
  | 'service'
  | 'service-pattern'
  | 'pattern'
  | 'url'
  | 'origin'
  | 'vkey'

/** What a field takes. */
export interface FieldOptions {
  readonly description: string
  readonly default?: string
}

/** Limits of an amount, in the units of the field. */
export interface AmountOptions extends FieldOptions {
  readonly min?: string
  readonly max?: string
}

const text = (kind: FieldKind, options: FieldOptions, more: object): TSchema =>
  Type.String({ 'x-kind': kind, maxLength: 2_048, ...more, ...options })

const bounds = ({ min, max, ...options }: AmountOptions): [FieldOptions, object] => [
  options,
  { ...(min === undefined ? {} : { 'x-min': min }), ...(max === undefined ? {} : { 'x-max': max }) },
]

/** A duration such as `300s`. */
export function duration(options: AmountOptions): TSchema {
  const [plain, limits] = bounds(options)
  return text('duration', plain, {
    pattern: durationPattern,
    'x-form': 'a duration such as `20ms`, `300s`, `24h`',
    ...limits,
  })
}

/** A size such as `16MiB`. */
export function size(options: AmountOptions): TSchema {
  const [plain, limits] = bounds(options)
  return text('size', plain, { pattern: sizePattern, 'x-form': 'a size such as `512KB`, `64MiB`', ...limits })
}

/** A share such as `5%`. */
export function share(options: FieldOptions): TSchema {
  return text('share', options, { pattern: sharePattern, 'x-form': 'a share such as `5%`' })
}

/** A path of a file or directory, relative to the configuration file. */
export function path(options: FieldOptions): TSchema {
  return text('path', options, { minLength: 1 })
}

/** An address to listen on, `127.0.0.1:8080`. */
export function listen(options: FieldOptions): TSchema {
  return text('listen', options, {
    pattern: listenPattern,
    'x-form': 'an address such as `127.0.0.1:8080` or `[::1]:8080`',
  })
}

/** A text whose kind is checked after its type. */
export function kind(kind: FieldKind, options: FieldOptions): TSchema {
  return text(kind, options, { minLength: 1 })
}

/** A name: of a region, a policy, an enforcement point. */
export function label(options: FieldOptions): TSchema {
  const pattern = '^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$'
  return Type.String({
    pattern,
    'x-form': 'a name of at most 32 lower-case letters, digits and hyphens',
    ...options,
  })
}

/** A text of a form of its own. */
export function form(options: FieldOptions & { readonly pattern: string; readonly form: string }): TSchema {
  const { form, ...rest } = options
  return Type.String({ maxLength: 2_048, 'x-form': form, ...rest })
}

/** One of a few words. */
export function choice(
  words: readonly string[],
  options: { description?: string; default?: string },
): TSchema {
  return Type.Enum([...words], { type: 'string', ...options })
}

/** An integer. */
export function integer(options: {
  readonly description: string
  readonly default?: number
  readonly minimum: number
  readonly maximum: number
}): TSchema {
  return Type.Integer(options)
}

/** True or false. */
export function flag(options: { readonly description: string; readonly default: boolean }): TSchema {
  return Type.Boolean(options)
}

/** A list; empty where nothing is said, unless `absent` says that it then has no value at all. */
export function list(
  items: TSchema,
  options: {
    readonly description: string
    readonly maxItems: number
    readonly minItems?: number
    readonly absent?: true
  },
): TSchema {
  const { absent, ...rest } = options
  return Type.Array(items, absent === true ? rest : { ...rest, default: [] })
}

type Fields = Readonly<Record<string, TSchema>>

/** A group of keys, all of which may be left out. */
export function section(description: string, fields: Fields): TSchema {
  return Type.Object(optional(fields), { additionalProperties: false, description, default: {} })
}

/** A group of keys that is absent unless written. */
export function optionalSection(description: string, fields: Fields): TSchema {
  return Type.Object(optional(fields), { additionalProperties: false, description })
}

/** An item of a list, with keys that it must have and keys that it may have. */
export function item(required: Fields, fields: Fields): TSchema {
  return Type.Object({ ...required, ...optional(fields) }, { additionalProperties: false })
}

function optional(fields: Fields): Record<string, TSchema> {
  return Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, Type.Optional(schema)]))
}
