import { type Random, hex } from '@quantum-ip/base'
import { TelemetryError } from './telemetry-errors.ts'

/** A place in a trace: W3C Trace Context, section 3.2. */
export interface TraceContext {
  /** 32 lowercase hexadecimal characters, not all zero. */
  readonly traceId: string
  /** 16 lowercase hexadecimal characters, not all zero. */
  readonly spanId: string
  readonly isSampled: boolean
  /** Whether the trace ID is random (Level 2, section 3.2.2.5.2). */
  readonly isRandom: boolean
}

const versionZero = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/
const laterVersion = /^(?!00|ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/
const fieldCharsMax = 512

/**
 * Parses a `traceparent` field ({@link https://www.w3.org/TR/trace-context/#traceparent-header W3C Trace Context,
 * section 3.2}). Of a later version, the part that version 00 has is read, as section 3.2.4 says.
 *
 * @throws {TelemetryError} `QIP_TELEMETRY_TRACEPARENT_MALFORMED`.
 */
export function parseTraceparent(field: string): TraceContext {
  if (field.length > fieldCharsMax) throw malformed(`longer than ${fieldCharsMax} characters`)
  const [, traceId = '', spanId = '', flags = ''] = versionZero.exec(field) ?? laterVersion.exec(field) ?? []
  if (traceId === '') throw malformed('not of the form `00-<32 hex>-<16 hex>-<2 hex>`')
  if (/^0+$/.test(traceId)) throw malformed('the trace ID is zero')
  if (/^0+$/.test(spanId)) throw malformed('the parent ID is zero')
  const bits = Number.parseInt(flags, 16)
  return { traceId, spanId, isSampled: (bits & 1) === 1, isRandom: (bits & 2) === 2 }
}

function malformed(reason: string): TelemetryError {
  return new TelemetryError('QIP_TELEMETRY_TRACEPARENT_MALFORMED', { reason })
}

/** A `traceparent` field of version 00. */
export function formatTraceparent({ traceId, spanId, isSampled, isRandom }: TraceContext): string {
  const flags = (isSampled ? 1 : 0) | (isRandom ? 2 : 0)
  return `00-${traceId}-${spanId}-0${flags}`
}

/** A span's own context and its parent's. */
export interface ContinuedTrace {
  readonly context: TraceContext
  /** `null` where the trace begins here. */
  readonly parentSpanId: string | null
}

/**
 * Continues the trace of a request, or begins one where there is none.
 *
 * A malformed field is the same as none, as section 3.2.3 of W3C Trace Context asks: it must never refuse a
 * request. A trace that begins here is not sampled unless `isSampled` says so.
 */
export function continueTrace(
  field: string | undefined,
  { random, isSampled = false }: { readonly random: Random; readonly isSampled?: boolean },
): ContinuedTrace {
  const parent = parentOf(field)
  if (parent !== null)
    return {
      context: { ...parent, spanId: nonZero(newDigits(spanChars, random)) },
      parentSpanId: parent.spanId,
    }
  const digits = newDigits(traceChars + spanChars, random)
  const traceId = nonZero(digits.slice(0, traceChars))
  const spanId = nonZero(digits.slice(traceChars))
  return { context: { traceId, spanId, isSampled, isRandom: true }, parentSpanId: null }
}

function parentOf(field: string | undefined): TraceContext | null {
  if (field === undefined) return null
  try {
    return parseTraceparent(field)
  } catch {
    return null
  }
}

const traceChars = 32
const spanChars = 16

// IDs are made on every request: many out of one draw and one conversion, which cost ten times what the cutting does. Few
// enough that an ID that is kept does not keep much with it.
const poolBytes = 32 * 24

interface DigitPool {
  readonly random: Random
  readonly text: string
  at: number
}

const pools = new WeakMap<Random, DigitPool>()
// A process has one generator: its pool is found without a look-up.
let lastPool: DigitPool | undefined

function newDigits(chars: number, random: Random): string {
  let pool = lastPool?.random === random ? lastPool : pools.get(random)
  if (pool === undefined || pool.at + chars > pool.text.length) {
    pool = { random, text: hex(random.bytes(poolBytes)), at: 0 }
    pools.set(random, pool)
  }
  lastPool = pool
  const { text, at } = pool
  pool.at = at + chars
  return text.slice(at, at + chars)
}

const zeros = '0'.repeat(traceChars)

// All zero is not an ID. It has a chance of 2^-64; a broken generator must not make invalid fields either.
function nonZero(id: string): string {
  return id.startsWith('00') && zeros.startsWith(id) ? `${id.slice(1)}1` : id
}
