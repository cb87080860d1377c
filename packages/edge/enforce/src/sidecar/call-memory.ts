import { type Clock, type Random, systemClock, systemRandom } from '@quantum-ip/base'
import type { Carried, Outcome } from '@quantum-ip/point'
import { continueTrace, formatTraceparent, parseTraceparent } from '@quantum-ip/telemetry'
import { addCallHandle, newCallHandle, readCallHandle, removeCallHandle } from './call-handle.ts'
import { callerKeyOf, InboundCall } from './inbound-call.ts'

/** How calls are remembered. */
export interface CallMemoryOptions {
  /** At once; the oldest gives way. */
  readonly heldMax: number
  /** At most; never beyond the end of the call's token. */
  readonly lifetimeMs: number
  readonly clock?: Clock
  readonly random?: Random
}

/** Where a request stands in a trace, as its fields say. */
export interface TraceFields {
  readonly traceparent: string | undefined
  readonly tracestate: string | undefined
}

/** Which inbound call a request belongs to. `ambiguous`: to one of several with different callers, and nobody guesses which. */
export type FoundCall =
  | { readonly kind: 'known'; readonly call: InboundCall }
  | { readonly kind: 'unknown' | 'ambiguous' }

interface Held {
  readonly handle: string
  readonly traceId: string
  /** Absent where nobody knows who called: it belongs to a trace in which somebody is known. */
  readonly call: InboundCall | undefined
  readonly parentId: string
  readonly endsMs: number
}

/** The calls of one trace. */
interface InTrace {
  readonly held: Set<Held>
  /** Some were let go before their end: who is left does not tell who was there. */
  crowded: boolean
}

const unknown: FoundCall = { kind: 'unknown' }
const ambiguous: FoundCall = { kind: 'ambiguous' }

/**
 * Remembers who called, so that the calls which the application makes for them can say so: by what traces hand on anyway.
 *
 * A call is found by its handle in `tracestate`, which libraries for traces hand on; by the very `traceparent` that came with it, which
 * applications copy that know nothing of traces; else by the trace alone.
 *
 * INVARIANT: a chain never names somebody who was not in the call. A trace ID is no secret, and several callers may be in one trace, so
 * where the trace alone leads to calls of different callers, or of somebody unknown, none of them is named.
 */
export class CallMemory {
  readonly #options: CallMemoryOptions
  readonly #clock: Clock
  readonly #random: Random
  // In the order of their arrival.
  readonly #byHandle = new Map<string, Held>()
  readonly #byTrace = new Map<string, InTrace>()

  constructor(options: CallMemoryOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? systemRandom
  }

  /** Calls that are remembered. */
  get size(): number {
    return this.#byHandle.size
  }

  /**
   * Remembers a request that goes on to the application, and returns the fields that it gets: those of the outcome, with a
   * `traceparent` where there was none, and the call's handle in `tracestate`. Its span stays the caller's.
   */
  admit(carried: Carried, fields: readonly string[], outcome?: Outcome): string[] {
    const own = fieldOf(fields, 'traceparent')
    const trace = traceOf(own) ?? continueTrace(undefined, { random: this.#random }).context
    const handle = this.#remember(trace, { carried, outcome })
    const others = removeCallHandle(fieldOf(fields, 'tracestate') ?? '')
    const tracestate = handle === undefined ? others : addCallHandle(others, handle)
    const rest = without(fields, 'tracestate', 'traceparent')
    rest.push('traceparent', traceOf(own) === undefined ? formatTraceparent(trace) : (own as string))
    if (tracestate !== '') rest.push('tracestate', tracestate)
    return rest
  }

  /** The inbound call that a request of the application belongs to. */
  find({ traceparent, tracestate }: TraceFields): FoundCall {
    const now = this.#clock.now()
    const handle = tracestate === undefined ? undefined : readCallHandle(tracestate)
    const named = handle === undefined ? undefined : this.#byHandle.get(handle)
    if (named?.call !== undefined && now < named.endsMs) return { kind: 'known', call: named.call }
    const trace = traceOf(traceparent)
    if (trace === undefined) return unknown
    const inTrace = this.#byTrace.get(trace.traceId)
    if (inTrace === undefined) return unknown
    if (inTrace.crowded) return ambiguous
    const held = [...inTrace.held].filter(({ endsMs }) => now < endsMs)
    const exact = held.filter(({ parentId }) => parentId === trace.spanId)
    return oneOf(exact.length > 0 ? exact : held)
  }

  #remember(
    trace: { readonly traceId: string; readonly spanId: string },
    { carried, outcome }: { readonly carried: Carried; readonly outcome: Outcome | undefined },
  ): string | undefined {
    const now = this.#clock.now()
    this.#forget(now)
    const call = this.#callOf(carried, outcome, now)
    // Who sends no token cannot fill the memory; but in a trace that is known, there is now somebody whom nobody knows.
    if (call === undefined && !this.#byTrace.has(trace.traceId)) return undefined
    const handle = newCallHandle(this.#random)
    const endsMs = call?.endsMs ?? now + this.#options.lifetimeMs
    const held: Held = { handle, traceId: trace.traceId, parentId: trace.spanId, call, endsMs }
    this.#byHandle.set(handle, held)
    this.#join(held, now)
    return call === undefined ? undefined : handle
  }

  #callOf(carried: Carried, outcome: Outcome | undefined, now: number): InboundCall | undefined {
    const { token } = carried
    if (outcome === undefined || token === undefined) return undefined
    const { status, identity, expiresS } = outcome.verdict
    if (status !== 'verified' || identity === undefined || expiresS === undefined) return undefined
    const endsMs = Math.min(now + this.#options.lifetimeMs, expiresS * 1_000)
    return new InboundCall(token, { identity, callerKey: callerKeyOf(outcome.verdict), endsMs })
  }

  // A trace with very many calls, as that of a batch job may be, is not looked through on each request.
  #join(held: Held, now: number): void {
    const inTrace = this.#byTrace.get(held.traceId) ?? { held: new Set(), crowded: false }
    const [oldest] = inTrace.held
    if (oldest !== undefined && inTrace.held.size >= inTraceMax) {
      inTrace.crowded ||= now < oldest.endsMs
      this.#drop(oldest)
    }
    inTrace.held.add(held)
    this.#byTrace.set(held.traceId, inTrace)
  }

  #forget(now: number): void {
    for (const held of this.#byHandle.values()) {
      if (this.#byHandle.size < this.#options.heldMax && now < held.endsMs) return
      this.#drop(held)
    }
  }

  #drop(held: Held): void {
    this.#byHandle.delete(held.handle)
    const inTrace = this.#byTrace.get(held.traceId)
    inTrace?.held.delete(held)
    if (inTrace?.held.size === 0) this.#byTrace.delete(held.traceId)
  }
}

const inTraceMax = 256

function oneOf(held: readonly Held[]): FoundCall {
  const last = held.at(-1)?.call
  const isOne = held.every(({ call }) => call?.callerKey === last?.callerKey)
  if (!isOne) return ambiguous
  return last === undefined ? unknown : { kind: 'known', call: last }
}

function traceOf(field: string | undefined) {
  if (field === undefined) return undefined
  try {
    return parseTraceparent(field)
  } catch {
    // The same as none (W3C Trace Context, section 3.2.3).
    return undefined
  }
}

function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1]
  return undefined
}

function without(fields: readonly string[], ...names: readonly string[]): string[] {
  const rest: string[] = []
  for (let i = 0; i < fields.length; i += 2)
    if (!names.includes(fields[i] as string)) rest.push(fields[i] as string, fields[i + 1] as string)
  return rest
}
