import type { JsonObject } from '@quantum-ip/base'
import type { EventHead, VerifierEvent } from '@quantum-ip/verifier'
import { ClientError } from './client-errors.ts'
import { backoffMs, jittered } from './lib/backoff.ts'
import { Doorbell } from './lib/doorbell.ts'
import { wait } from './lib/wait.ts'
import { requestObject } from './read-answer.ts'
import type { Requester } from './request.ts'

/** How security reports are sent. */
export interface SecurityReportsOptions {
  /** Name of the enforcement point. */
  readonly point: string
  /** Milliseconds for which unknown keys are counted before they are reported. Default 30,000. */
  readonly unknownKeysMs?: number
  /** Told of reports that could not be sent; they are tried again. */
  readonly onFailed?: (error: unknown) => void
}

/** An attestation that did not hold when it was checked after the answer. */
export interface AttestationReport {
  /** Origin of its log, and its index. */
  readonly log: string
  readonly index: number
  /** Decision IDs of the requests that had passed meanwhile, at most 1,000, and how many more there were. */
  readonly decisions: readonly string[]
  readonly more: number
}

/** Tells the authority what a verifier found out. */
export interface SecurityReports extends AsyncDisposable {
  /** A verifier's event: sent at once, and again until the authority has it. Never throws, never waits. */
  event(event: VerifierEvent): void
  /** An attestation did not hold, and requests had passed on it: sent at once, and again until the authority has it. */
  attestation(report: AttestationReport): void
  /** A token named a key that nobody knows: counted, and reported with all others of some seconds. */
  unknownKey(td: string, key: number | string): void
  /** Reports that wait. */
  readonly waiting: number
  close(): Promise<void>
}

const eventsMax = 64
const keysMax = 64
const keyCharsMax = 64
/** So many in one request, as the authority takes them. */
const perRequestMax = 16
const backoff = { firstMs: 500, maxMs: 30_000 }

/**
 * Opens the reports of a verifier (`POST /v1/reports`, for members).
 *
 * They carry what the authority needs to see for itself: the signed heads. It acts on what it finds, never on what it is told.
 */
export function openSecurityReports(requester: Requester, options: SecurityReportsOptions): SecurityReports {
  const reports = new QueuedReports(requester, options)
  reports.start()
  return reports
}

class QueuedReports implements SecurityReports {
  readonly #requester: Requester
  readonly #options: SecurityReportsOptions
  readonly #stop = new AbortController()
  readonly #doorbell = new Doorbell()
  readonly #unknown = new Map<string, { readonly td: string; readonly key: string; count: number }>()
  #queue: JsonObject[] = []
  #running: Promise<unknown> = Promise.resolve()

  constructor(requester: Requester, options: SecurityReportsOptions) {
    this.#requester = requester
    this.#options = options
  }

  get waiting(): number {
    return this.#queue.length + (this.#unknown.size > 0 ? 1 : 0)
  }

  start(): void {
    this.#running = Promise.all([this.#sendAll(), this.#gather()])
  }

  event(event: VerifierEvent): void {
    const report = reportOf(event)
    // The first ones say that a key is stolen; further ones say it again.
    if (report === undefined || this.#queue.length >= eventsMax) return
    this.#queue.push(report)
    this.#doorbell.ring()
  }

  attestation({ log, index, decisions, more }: AttestationReport): void {
    if (this.#queue.length >= eventsMax) return
    this.#queue.push({ kind: 'attestation_invalid', log, index, decisions: [...decisions], more })
    this.#doorbell.ring()
  }

  unknownKey(td: string, key: number | string): void {
    const named = typeof key === 'number' ? key.toString(16).padStart(8, '0') : key.slice(0, keyCharsMax)
    const place = `${td} ${named}`
    const known = this.#unknown.get(place)
    if (known !== undefined) known.count++
    else if (this.#unknown.size < keysMax) this.#unknown.set(place, { td, key: named, count: 1 })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #gather(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await wait(jittered(this.#options.unknownKeysMs ?? 30_000, 0.2), signal)
      if (this.#unknown.size === 0 || this.#queue.length >= eventsMax) continue
      this.#queue.push({ kind: 'key_unknown', keys: [...this.#unknown.values()] })
      this.#unknown.clear()
      this.#doorbell.ring()
    }
  }

  async #sendAll(): Promise<void> {
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted) {
      if (this.#queue.length === 0) await this.#doorbell.wait(60_000, signal)
      if (signal.aborted || this.#queue.length === 0) continue
      failures = (await this.#send(signal)) ? 0 : failures + 1
      if (failures > 0) await wait(backoffMs(backoff, failures), signal)
    }
  }

  /** @returns whether the authority has them, or will never take them */
  async #send(signal: AbortSignal): Promise<boolean> {
    const reports = this.#queue.slice(0, perRequestMax)
    let shed: readonly JsonObject[] = []
    try {
      const answer = await requestObject(this.#requester, {
        operation: 'security reports',
        method: 'POST',
        target: '/v1/reports',
        json: { point: this.#options.point, reports },
        signal,
      })
      // Nobody looked at these: this member had told too much.
      const outcomes = answer.texts('outcomes', perRequestMax)
      shed = reports.filter((_, index) => outcomes[index] === 'shed')
    } catch (error) {
      if (!signal.aborted) this.#options.onFailed?.(error)
      if (!isMalformed(error)) return false
    }
    this.#queue = [...shed, ...this.#queue.slice(reports.length)]
    return shed.length === 0
  }
}

function isMalformed(error: unknown): boolean {
  if (!(error instanceof ClientError)) return false
  const { status } = error.details as { readonly status?: number }
  return status === 400 || status === 413 || status === 422
}

/** What a report says: the signed heads, for the authority to look at. */
function reportOf(event: VerifierEvent): JsonObject | undefined {
  if (event.kind === 'log_equivocation') {
    const heads = event.heads.flatMap(({ signed }: EventHead) => (signed === undefined ? [] : [signed]))
    return heads.length === 0 ? undefined : { kind: 'log_equivocation', heads }
  }
  const { head, decisions } = event
  return head.signed === undefined ? undefined : { kind: 'head_unlogged', head: head.signed, decisions }
}
