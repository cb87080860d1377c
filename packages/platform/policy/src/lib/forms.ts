import type { Reason } from '@quantum-ip/verifier'
import type { Quarantine } from '../document.ts'
import { policyLimits } from '../limits.ts'
import { allReasons } from '../verdict-reasons.ts'
import { type Reader, required } from './reader.ts'

const nameForm = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/
const percentForm = /^(\d{1,3}(?:\.\d{1,2})?)%$/
const rateForm = /^(\d{1,6})\/s$/
const nameExpected = 'a name of a-z, 0-9, `-`, `_` and `.`, with a letter or digit at both ends'

/** Whether `text` can be the name of a policy, a rule or an upstream. */
export function isName(text: string): boolean {
  return text.length <= policyLimits.nameCharsMax && nameForm.test(text)
}

/** The name of a policy, a rule or an upstream. */
export function readName(reader: Reader): string {
  const text = reader.text(nameExpected, policyLimits.nameCharsMax)
  if (!isName(text)) throw reader.invalid(nameExpected)
  return text
}

/** The reasons that a rule or an exception is about; `null` without any. */
export function readReasons(reader: Reader | undefined): readonly Reason[] | null {
  if (reader === undefined) return null
  const items = reader.list('reasons', allReasons.length)
  if (items.length === 0) throw reader.invalid('at least one reason')
  return items.map((item) => item.oneOf(allReasons))
}

/** `5%` as 5: above 0, at most 100, in steps of 0.01. */
export function readPercent(reader: Reader): number {
  const percent = typeof reader.value === 'string' ? parsePercent(reader.value) : undefined
  if (percent === undefined) throw reader.invalid('a share above 0 and at most 100, such as `5%` or `0.25%`')
  return percent
}

/** The number in `5%`, or `undefined` if it is not such a share. */
export function parsePercent(text: string): number | undefined {
  const percent = Number(percentForm.exec(text)?.[1] ?? 0)
  return percent > 0 && percent <= 100 ? percent : undefined
}

/** `{ upstream }`, `{ rate, concurrency }` or `{ share }`. */
export function readQuarantine(reader: Reader): Quarantine {
  const members = reader.object(['upstream', 'rate', 'concurrency', 'share'])
  const upstream = members.get('upstream')
  const share = members.get('share')
  if (members.size === 1 && upstream !== undefined) return { kind: 'upstream', upstream: readName(upstream) }
  if (members.size === 1 && share !== undefined) return { kind: 'share', percent: readPercent(share) }
  if (upstream !== undefined || share !== undefined || members.size === 0) {
    throw reader.invalid('`upstream`, or `rate` with `concurrency`, or `share`')
  }
  const rate = required(members, { of: reader, key: 'rate', example: 'rate: 10/s' })
  const concurrency = required(members, { of: reader, key: 'concurrency', example: 'concurrency: 4' })
  return {
    kind: 'limit',
    ratePerS: readRate(rate),
    concurrency: concurrency.integer('a whole number from 1 to 100000', 100_000),
  }
}

function readRate(reader: Reader): number {
  const rate = typeof reader.value === 'string' ? Number(rateForm.exec(reader.value)?.[1] ?? 0) : 0
  if (rate === 0) throw reader.invalid('requests per second, such as `10/s`')
  return rate
}

const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)$/
const timeExpected = 'a time as RFC 3339 writes it, to the second, such as `2026-12-01T18:00:00Z`'

/** A time of RFC 3339, as seconds since 1970. */
export function readTimeS(reader: Reader): number {
  const text = reader.text(timeExpected, 32)
  const ms = timeForm.test(text) ? Date.parse(text) : Number.NaN
  // Not every `Date.parse` refuses the 31st of June: what it makes of it must be the day that was written.
  if (Number.isNaN(ms) || !isRealDay(text)) throw reader.invalid(timeExpected)
  return ms / 1_000
}

function isRealDay(text: string): boolean {
  const day = text.slice(0, 10)
  const ms = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day)
}
