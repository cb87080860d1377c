import { hex, utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import type { RevocationRecord } from '@quantum-ip/trust'
import type { HeldState } from '../script/state.ts'

/** What is revoked, as parts of the held state. */
export interface RevocationParts {
  /** Texts by name. */
  readonly parts: ReadonlyMap<string, string>
  readonly revoked: HeldState['revoked']
  /** When the next record ceases to be in force; seconds. */
  readonly nextExpiryS: number
}

type Range = readonly [from: number, to: number]

/** The parts of the records in force at `timeS`. Those about keys are not among them: they stand with the keys. */
export function revocationParts(records: readonly RevocationRecord[], timeS: number): RevocationParts {
  const befores = new Map<string, number>()
  const ranges = new Map<string, Range[]>()
  let nextExpiryS = Number.POSITIVE_INFINITY
  for (const record of records) {
    const { kind, expires = Number.POSITIVE_INFINITY, before = Number.POSITIVE_INFINITY } = record
    if (kind === 'key' || expires <= timeS) continue
    nextExpiryS = Math.min(nextExpiryS, expires)
    const range = rangeOf(record)
    if (range !== undefined) addRange(ranges, record.log ?? '', range)
    else {
      const name = nameOf(record)
      befores.set(name, Math.max(before, befores.get(name) ?? 0))
    }
  }
  const parts = new Map<string, string>()
  for (const [name, before] of befores)
    parts.set(`revoked/${name}`, Number.isFinite(before) ? String(before) : 'always')
  for (const [origin, list] of ranges) parts.set(`revoked/range-${shortName(origin)}`, rangeLines(list))
  const has = (kind: string): boolean => [...befores.keys()].some((name) => name.startsWith(kind))
  const revoked = {
    identity: has('identity-'),
    build: has('build-'),
    token: has('token-'),
    range: ranges.size > 0,
  }
  return { parts, revoked, nextExpiryS }
}

function nameOf({ kind, value }: RevocationRecord): string {
  return `${kind}-${kind === 'identity' ? shortName(value) : value}`
}

function shortName(text: string): string {
  return hex(sha256(utf8(text))).slice(0, 32)
}

function rangeOf({ kind, value, log, from }: RevocationRecord): Range | undefined {
  if (log === undefined) return undefined
  if (kind === 'token') return [Number(value), Number(value) + 1]
  return kind === 'range' && from !== undefined ? [from, Number(value)] : undefined
}

function addRange(ranges: Map<string, Range[]>, origin: string, range: Range): void {
  const list = ranges.get(origin)
  if (list === undefined) ranges.set(origin, [range])
  else list.push(range)
}

// Ascending and apart, so that the last one that begins at or below an index is the only one that can hold it.
function rangeLines(list: readonly Range[]): string {
  const joined: [number, number][] = []
  for (const [from, to] of [...list].sort(([a], [b]) => a - b)) {
    const last = joined.at(-1)
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to)
    else joined.push([from, to])
  }
  return joined.map(([from, to]) => `${digits(from)} ${digits(to)}\n`).join('')
}

function digits(index: number): string {
  return index.toString(16).padStart(13, '0')
}
