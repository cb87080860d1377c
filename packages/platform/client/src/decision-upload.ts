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

/** A key under which parts of records are sealed, sealed to a custodian itself. */
export interface SealKeyReport {
  readonly id: string
  readonly timeMs: number
  readonly point: string
  /** The custodian's key. */
  readonly kid: string
  /** base64url. */
  readonly sealed: string
}

/** What is sent. */
export type LogReport = DecisionReport | SuppressionReport | SealKeyReport

/** Reports that belong together on their way. */
export interface DecisionBatch {
  readonly reports: readonly LogReport[]
  /** Called when they arrived, or when the authority will never take them: they are not to come again. */
  done(): Promise<void>
}

/** Where reports wait until they are sent: a log on a disk. */
export interface DecisionSource {
  /** The next reports; `undefined` if there are none. Those that were not `done` come again. */
  take(countMax: number): Promise<DecisionBatch | undefined>
}

/** How decision records are sent. */
export interface DecisionUploadOptions {
  /** Records in one request. Default and limit 1,000. */
  readonly batchMax?: number
  /** Milliseconds that records are collected. Default 1,000. */
  readonly intervalMs?: number
  /** Told of failed and refused batches. */
  readonly onFailed?: (error: unknown) => void
}

/** Sends decision records to the authority, on the side. */
export interface DecisionUpload extends AsyncDisposable {
  /** Records that the authority does not take. */
  readonly refused: number
  /** Records that the authority has. */
  readonly sent: number
  /** Sends what waits, for `timeoutMs` at most; what is left then stays in the source. */
  close(timeoutMs?: number): Promise<void>
}

const backoff = { firstMs: 1_000, maxMs: 60_000 }
const sizeMax = 1_000

/**
 * Opens the upload of decision records (`POST /v1/decisions`, for members): in batches, at least once, in the order of the source.
 *
 * While the authority is away records stay where they are, and it goes on from there. One that the authority refuses for good holds up no
 * others: its batch is halved until it is alone.
 */
export function openDecisionUpload(
  requester: Requester,
  source: DecisionSource,
  options: DecisionUploadOptions = {},
): DecisionUpload {
  return new SourceUpload(requester, source, options)
}

type Outcome = 'sent' | 'more' | 'empty' | 'failed'

class SourceUpload implements DecisionUpload {
  readonly #requester: Requester
  readonly #source: DecisionSource
  readonly #batchMax: number
  readonly #intervalMs: number
  readonly #onFailed: (error: unknown) => void
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #countMax: number
  #refused = 0
  #sent = 0

  constructor(requester: Requester, source: DecisionSource, options: DecisionUploadOptions) {
    const { batchMax = sizeMax, intervalMs = 1_000, onFailed = () => undefined } = options
    this.#requester = requester
    this.#source = source
    this.#batchMax = Math.min(batchMax, sizeMax)
    this.#countMax = this.#batchMax
    this.#intervalMs = intervalMs
    this.#onFailed = onFailed
    this.#running = this.#run()
  }

  get refused(): number {
    return this.#refused
  }

  get sent(): number {
    return this.#sent
  }

  async close(timeoutMs = 2_000): Promise<void> {
    this.#stop.abort()
    await this.#running
    const deadline = performance.now() + timeoutMs
    let outcome: Outcome = 'more'
    while ((outcome === 'more' || outcome === 'sent') && performance.now() < deadline)
      outcome = await this.#sendBatch(deadline - performance.now())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let failures = 0
    await wait(this.#intervalMs, signal)
    while (!signal.aborted) {
      const outcome = await this.#sendBatch()
      failures = outcome === 'failed' ? failures + 1 : 0
      if (failures > 0) await wait(backoffMs(backoff, failures), signal)
      else if (outcome !== 'more') await wait(this.#intervalMs, signal)
    }
  }

  async #sendBatch(timeoutMs?: number): Promise<Outcome> {
    try {
      const batch = await this.#source.take(this.#countMax)
      if (batch === undefined) return 'empty'
      return await this.#post(batch, timeoutMs)
    } catch (error) {
      // The disk under the source, most likely. What cannot be read now may be read later.
      this.#onFailed(error)
      return 'failed'
    }
  }

  async #post(batch: DecisionBatch, timeoutMs: number | undefined): Promise<Outcome> {
    const { reports } = batch
    try {
      if (reports.length > 0)
        await requestJson(this.#requester, {
          operation: 'decision records',
          method: 'POST',
          target: '/v1/decisions',
          json: batchOf(reports),
          ...(timeoutMs !== undefined && { timeoutMs: Math.max(1, timeoutMs) }),
        })
    } catch (error) {
      this.#onFailed(error)
      // What it does not take now it never takes. Being refused oneself (401, 403) is another matter: that may pass.
      if (![400, 413, 422].includes(statusOf(error))) return 'failed'
      if (reports.length > 1) {
        this.#countMax = Math.ceil(reports.length / 2)
        return 'more'
      }
      this.#refused += reports.length
      await batch.done()
      return 'more'
    }
    await batch.done()
    this.#sent += reports.length
    const isFull = reports.length >= this.#countMax
    this.#countMax = Math.min(this.#batchMax, this.#countMax * 2)
    return isFull ? 'more' : 'sent'
  }
}

/** The body of a request with these. What there is none of is not named: an authority of the version before knows records only. */
function batchOf(reports: readonly LogReport[]): JsonObject {
  const records: JsonObject[] = []
  const suppressed: JsonObject[] = []
  const sealKeys: JsonObject[] = []
  for (const report of reports) {
    const list = 'record' in report ? records : 'sealed' in report ? sealKeys : suppressed
    list.push({ ...report })
  }
  return {
    records,
    ...(suppressed.length > 0 && { suppressed }),
    ...(sealKeys.length > 0 && { sealKeys }),
  }
}

function statusOf(error: unknown): number {
  if (!(error instanceof ClientError) || !isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED')) return 0
  return (error.details as { status: number }).status
}
