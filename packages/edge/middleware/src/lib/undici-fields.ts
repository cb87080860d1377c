import { addTracestateHint, removeTracestateHint } from '@quantum-ip/token'
import type { Dispatcher } from 'undici'
import { isReserved } from './fields.ts'

type Given = Dispatcher.DispatchOptions['headers']

/** Fields by name. One object, since interceptors of undici spread them. */
export type UndiciFields = Readonly<Record<string, string | string[]>>

/**
 * The fields of a request without any of ours, in whatever form a caller gave them: as an object, a flat list or pairs. That list stays as
 * it is, since a retry or a redirect sends it again.
 */
export function withoutOurs(given: Given): UndiciFields {
  const fields = new Map<string, [string, string[]]>()
  for (const [name, value] of pairsIn(given)) {
    if (value === undefined || value === null) continue
    const lower = name.toLowerCase()
    if (isReserved(name) && lower !== 'traceparent' && lower !== 'tracestate') continue
    const [, values] = fields.get(lower) ?? [name, []]
    fields.set(lower, [name, [...values, ...[value].flat().map(String)]])
  }
  const trace = fields.get('tracestate')
  if (trace !== undefined) {
    const rest = removeTracestateHint(trace[1].join(','))
    fields.delete('tracestate')
    if (rest !== '') fields.set('tracestate', ['tracestate', [rest]])
  }
  return Object.fromEntries([...fields.values()].map(single))
}

function single([name, values]: [string, string[]]): [string, string | string[]] {
  const [first] = values
  return [name, values.length === 1 && first !== undefined ? first : values]
}

/** The same with the hint that a token for `audience` is attached. */
export function withHint(fields: UndiciFields, audience: string): UndiciFields {
  const { tracestate = '' } = fields
  return { ...fields, tracestate: addTracestateHint(String(tracestate), audience) }
}

function pairsIn(given: Given): Iterable<readonly [string, unknown]> {
  if (given === undefined || given === null) return []
  if (!Array.isArray(given)) return Symbol.iterator in given ? given : Object.entries(given)
  const list: readonly unknown[] = given
  if (Array.isArray(list[0])) return list as readonly [string, unknown][]
  return list.flatMap((name, i) => (i % 2 === 0 ? [[String(name), list[i + 1]] as const] : []))
}
