import type { TLocalizedValidationError } from 'typebox/error'

/**
 * The errors that say what is wrong, out of those that a validator reports.
 *
 * A union reports one error for each alternative: those of alternatives that the value was not meant to be (another
 * type) are left out, and the union's own where an alternative says more. `boolean` doubles `additionalProperties`.
 */
export function meantErrors(
  errors: readonly TLocalizedValidationError[],
): readonly TLocalizedValidationError[] {
  const foreign = errors.filter((error) => error.keyword === 'type' && isAlternative(error.schemaPath))
  const told = errors.filter(
    (error) => error.keyword !== 'boolean' && !foreign.some((other) => isWithin(error, other.schemaPath)),
  )
  return told.filter((error) => {
    if (error.keyword === 'anyOf') return !told.some((other) => saysMore(other, error))
    // The wrong word of an alternative that differs by a word, where another alternative took the word.
    return error.keyword !== 'const' || !told.some((other) => isDeeper(other, error))
  })
}

const isAlternative = (path: string): boolean => /\/anyOf\/\d+$/.test(path)

function isWithin(error: TLocalizedValidationError, path: string): boolean {
  return error.schemaPath === path || error.schemaPath.startsWith(`${path}/`)
}

function saysMore(other: TLocalizedValidationError, union: TLocalizedValidationError): boolean {
  return other.keyword !== 'anyOf' && other.schemaPath.startsWith(`${union.schemaPath}/anyOf/`)
}

function isDeeper(other: TLocalizedValidationError, error: TLocalizedValidationError): boolean {
  return (
    other.keyword !== 'const' &&
    other.keyword !== 'anyOf' &&
    other.instancePath.startsWith(`${error.instancePath}/`)
  )
}
