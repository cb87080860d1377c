import { isReserved } from '@quantum-ip/middleware/adapter'
import type { LambdaEvent } from './lambda-event.ts'

/**
 * Handlers see what the point found, and nothing that the caller wrote in its place: every spelling of the reserved fields is taken
 * off, in both forms in which an event may have them. The event is changed in place: it is this invocation's own.
 */
export function replaceEventFields(event: LambdaEvent, fields: readonly string[]): void {
  const { headers, multiValueHeaders } = event
  if (headers !== null && headers !== undefined) {
    const kept = without(headers)
    for (let i = 0; i < fields.length; i += 2) kept[fields[i] as string] = fields[i + 1]
    event.headers = kept
  }
  if (multiValueHeaders !== null && multiValueHeaders !== undefined) {
    const kept = without(multiValueHeaders)
    for (let i = 0; i < fields.length; i += 2) kept[fields[i] as string] = fields.slice(i + 1, i + 2)
    event.multiValueHeaders = kept
  }
}

function without(headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !isReserved(name)))
}
