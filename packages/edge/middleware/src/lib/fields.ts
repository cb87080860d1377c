import { fieldKind, proofFieldName } from '@quantum-ip/token'

/** What a name is to a point: one of its own to be read, one that only looks like it, or nothing to it. */
type Place = 'read' | 'dropped' | undefined

const exact: ReadonlySet<string> = new Set([
  'quantum-ip',
  'quantum-ip-head',
  'quantum-ip-status',
  proofFieldName,
  'tracestate',
  'traceparent',
])

function placeOf(name: string): Place {
  // All six have one of five lengths: that settles nearly every field.
  const { length } = name
  if (length !== 10 && length !== 11 && length !== 15 && length !== 17 && length !== 20) return undefined
  if (exact.has(name.toLowerCase())) return 'read'
  return fieldKind(name) === undefined ? undefined : 'dropped'
}

/** Whether handlers must not see what the caller wrote under this name. */
export function isReserved(name: string): boolean {
  return placeOf(name) !== undefined
}

/** The fields of a flat list that a point reads: names in lower case, values as they are, each as often as it is there. */
export function reservedFields(rawHeaders: readonly string[]): string[] {
  const reserved: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (placeOf(name) === 'read') reserved.push(name.toLowerCase(), rawHeaders[i + 1] as string)
  }
  return reserved
}

/**
 * Takes every spelling of the reserved fields out of a flat list, and puts `fields` in: in place, the first ones where the taken
 * ones were, so that the length mostly stays.
 */
export function replaceReserved(rawHeaders: string[], fields: readonly string[]): void {
  let to = 0
  let next = 0
  const put = (name: string, value: string): void => {
    rawHeaders[to] = name
    rawHeaders[to + 1] = value
    to += 2
  }
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (placeOf(name) === undefined) put(name, rawHeaders[i + 1] as string)
    else if (next < fields.length) {
      put(fields[next] as string, fields[next + 1] as string)
      next += 2
    }
  }
  rawHeaders.length = to
  for (; next < fields.length; next += 2) rawHeaders.push(fields[next] as string, fields[next + 1] as string)
}
