import { isQipError, type Json, type JsonObject, nearest, parseJson } from '@quantum-ip/base'
import { CliError } from '../cli-errors.ts'
import { isObject } from '../lib/json.ts'
import { Fields } from './fields.ts'
import { type Operation, operations } from './operations.ts'

/**
 * Answers one line of `qip conformance`: `{"id","op",…}` → `{"id","ok":true,…}` or `{"id","ok":false,"code"}`.
 *
 * Never throws: what is malformed, unknown or refused has a code. `id` comes back as it was, also from a line that is refused
 * for what else stands in it; `null` where there is none.
 */
export async function answerLine(line: string): Promise<JsonObject> {
  let request: JsonObject
  try {
    request = parseRequest(line)
  } catch (error) {
    return refusal(idOfRefused(line), error)
  }
  const id = request['id'] ?? null
  try {
    const operation = await operationOf(request['op'] ?? request['operation'])
    return { id, ok: true, ...(await operation(new Fields(request))) }
  } catch (error) {
    return refusal(id, error)
  }
}

/** The answer for a line that was never read. */
export function refusal(id: Json, error: unknown): JsonObject {
  // A bug of ours must not end somebody's run of ten thousand cases; its code says what it is.
  return { id, ok: false, code: isQipError(error) ? error.code : 'QIP_CLI_DEFECT' }
}

function parseRequest(line: string): JsonObject {
  const value = parseJson(line)
  if (!isObject(value)) throw new CliError('QIP_CLI_LINE_MALFORMED', { reason: 'it is no object' })
  return value
}

// Strict reading refuses a number past 2^53 or a name that stands twice; the answer should find its case all the same.
function idOfRefused(line: string): Json {
  try {
    const { id } = JSON.parse(line) as { readonly id?: unknown }
    return typeof id === 'string' || typeof id === 'number' ? id : null
  } catch {
    return null
  }
}

async function operationOf(name: Json | undefined): Promise<Operation> {
  if (name === undefined) throw new CliError('QIP_CLI_FIELD_MISSING', { field: 'op' })
  if (typeof name !== 'string')
    throw new CliError('QIP_CLI_FIELD_INVALID', { field: 'op', expected: 'a text' })
  const row = Object.hasOwn(operations, name) ? operations[name] : undefined
  if (row !== undefined) return row.load()
  const similar = nearest(name, Object.keys(operations))
  throw new CliError('QIP_CLI_OPERATION_UNKNOWN', { operation: name, nearest: similar })
}
