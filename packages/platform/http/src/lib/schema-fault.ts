import { nearest } from '@quantum-ip/base'
import type { TSchema } from 'typebox'
import type { TLocalizedValidationError } from 'typebox/error'
import { meantErrors } from './meant-errors.ts'
import { safeName } from './safe-name.ts'
import { reasonOf } from './schema-reason.ts'
import { namesAt, parsePointer, type Path, type SchemaNode } from './schema-tree.ts'

/** Why a value does not fit a schema, without the value. */
export interface SchemaFault {
  /** Of the offending value; of the unknown member itself where there is one. Names as they were received: see {@link safeName}. */
  readonly path: Path
  readonly reason: string
  /** Set where a member is unknown. */
  readonly unknown?: string
  /** The known name that was probably meant. */
  readonly nearest?: string | undefined
}

/** The faults that `errors` tell, most telling first: unknown members, then the rest from the outside in. */
export function schemaFaults(
  schema: TSchema,
  value: unknown,
  errors: readonly TLocalizedValidationError[],
): readonly SchemaFault[] {
  const root = schema as SchemaNode
  const unknown: SchemaFault[] = []
  const others = new Map<string, SchemaFault>()
  for (const error of meantErrors(errors)) {
    const path = parsePointer(error.instancePath)
    if (error.keyword === 'additionalProperties') {
      const known = namesAt(root, path)
      for (const name of error.params.additionalProperties) unknown.push(unknownMember(path, name, known))
    } else if (!others.has(error.instancePath)) {
      others.set(error.instancePath, {
        path,
        ...reasonOf(error, { schema: root, value, path }),
      })
    }
  }
  return [...unknown, ...[...others.values()].sort((a, b) => a.path.length - b.path.length)]
}

function unknownMember(path: Path, name: string, known: readonly string[]): SchemaFault {
  const shown = safeName(name)
  const reason = `unknown member \`${shown}\``
  return { path: [...path, name], reason, unknown: shown, nearest: nearest(name, known) }
}
