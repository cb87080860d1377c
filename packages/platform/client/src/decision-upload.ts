import { isQipError, type JsonObject } from '@quantum-ip/base'
import { ClientError } from './client-errors.ts'
import { backoffMs } from './lib/backoff.ts'
import { wait } from './lib/wait.ts'
import { requestJson } from './read-answer.ts'
import type { Requester } from './request.ts'

/** A decision record on its way to the authority. */
export interface DecisionReport {
  /** The decision's ID, at most 128 characters: one that is sent twice is kept once. */
  readonly id: string
  readonly timeMs: number
  /** The verdict's reason. */
  readonly reason: string
  /** The record as the enforcement point keeps it. */
  readonly record: JsonObject
}

/** How many records an enforcement point did not keep, on its way to the authority. */
export interface SuppressionReport {
  /** At most 128 characters: one that is sent twice counts once. */
  readonly id: string
  readonly point: string
  readonly reason: string
  readonly count: number
  /** Milliseconds since 1970. */
  readonly fromMs: number
  readonly toMs: number
}

/** How decision records are sent. */
export interface DecisionUploadOptions {
  /** Records that wait at most; more are dropped. Default 10,000. */
  readonly queueMax?: number
  /** Records in one request. Default and limit 1,000. */
  readonly batchMax?: number
  /** Milliseconds that records are collected. Default 1,000. */
  readonly intervalMs?: number
  /** Told of failed and refused batches. */
  readonly onFailed?: (error: unknown) => void
}

/** Sends decision records to the authority, on the side. */
export interface DecisionUpload extends AsyncDisposable {
  /** Takes a record. Returns whether it will be sent: `false` if too many wait. Never throws, never waits. */
  record(report: DecisionReport | SuppressionReport): boolean
  /** Records that wait. */
  readonly waiting: number
  /** Records that were not sent: the queue was full, or the authority does not take them. */
  readonly dropped: number
  /** Records that the authority has. */
  readonly sent: number
  /** Sends what waits, once, for `timeoutMs` at most; what is left then is dropped. */
  close(timeoutMs?: number): Promise<void>
}

const backoff = { firstMs: 1_000, maxMs: 60_000 }

/**
 * Opens the upload of decision records (`POST /v1/decisions`, for members): bounded, in batches, at least once.
 *
 * When the queue is full the newest are dropped and counted: an outage is explained by how it began. Records of one point are also
 * kept there, so a dropped one is missing at the authority only.
 */
export function openDecisionUpload(
  requester: Requester,
  options: DecisionUploadOptions = {},
): DecisionUpload {
  return new QueuedUpload(requester, options)
}

class QueuedUpload implements DecisionUpload {
  readonly #requester: Requester
  readonly #queueMax: number
  #batchMax: number
  readonly #intervalMs: number
  readonly #onFailed: (error: unknown) => void
  readonly #stop = new AbortController()
  #queue: (DecisionReport | SuppressionReport)[] = []
  #dropped = 0
  #sent = 0
  #sending: Promise<void> | undefined

  constructor(requester: Requester, options: DecisionUploadOptions) {
    const { queueMax = 10_000, batchMax = 1_000, intervalMs = 1_000, onFailed = () => undefined } = options
    this.#requester = requester
    this.#queueMax = queueMax
    this.#batchMax = Math.min(batchMax, 1_000)
    this.#intervalMs = intervalMs
    this.#onFailed = onFailed
  }

  get waiting(): number {
    return this.#queue.length
  }

  get dropped(): number {
    return this.#dropped
  }

  get sent(): number {
    return this.#sent
  }

  record(report: DecisionReport | SuppressionReport): boolean {
    if (this.#stop.signal.aborted || this.#queue.length >= this.#queueMax) {
      this.#dropped++
      return false
    }
    this.#queue.push(report)
    this.#sending ??= this.#sendAll()
    return true
  }

  async close(timeoutMs = 2_000): Promise<void> {
    this.#stop.abort()
    await this.#sending
    const deadline = performance.now() + timeoutMs
    let goesOn = true
    while (goesOn && this.#queue.length > 0 && performance.now() < deadline) {
      goesOn = (await this.#sendBatch(deadline - performance.now())) === 'sent'
    }
    this.#dropped += this.#queue.length
    this.#queue = []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #sendAll(): Promise<void> {
    const { signal } = this.#stop
    let failures = 0
    await wait(this.#intervalMs, signal)
    while (!signal.aborted && this.#queue.length > 0) {
      const outcome = await this.#sendBatch()
      failures = outcome === 'failed' ? failures + 1 : 0
      if (failures > 0) await wait(backoffMs(backoff, failures), signal)
      else if (this.#queue.length < this.#batchMax) await wait(this.#intervalMs, signal)
    }
    this.#sending = undefined
  }

  async #sendBatch(timeoutMs?: number): Promise<'sent' | 'failed'> {
    const reports = this.#queue.slice(0, this.#batchMax)
    try {
      await requestJson(this.#requester, {
        operation: 'decision records',
        method: 'POST',
        target: '/v1/decisions',
        json: batchOf(reports),
        ...(timeoutMs !== undefined && { timeoutMs: Math.max(1, timeoutMs) }),
      })
      this.#sent += reports.length
    } catch (error) {
      this.#onFailed(error)
      if (statusOf(error) === 413 && reports.length > 1) {
        this.#batchMax = Math.ceil(reports.length / 2)
        return 'sent'
      }
      // What it does not take now it never takes. Being refused oneself (401, 403) is another matter: that may pass.
      if (![400, 413, 422].includes(statusOf(error))) return 'failed'
      this.#dropped += reports.length
    }
    this.#queue = this.#queue.slice(reports.length)
    return 'sent'
  }
}

/** The body of a request with these. */
function batchOf(reports: readonly (DecisionReport | SuppressionReport)[]): JsonObject {
  const records: JsonObject[] = []
  const suppressed: JsonObject[] = []
  for (const report of reports) ('record' in report ? records : suppressed).push({ ...report })
  // An authority of the version before knows no `suppressed`: it is not told of any unless there are some.
  return suppressed.length === 0 ? { records } : { records, suppressed }
}

function statusOf(error: unknown): number {
  if (!(error instanceof ClientError) || !isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED')) return 0
  return (error.details as { status: number }).status
}
