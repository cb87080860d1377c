import { randomBytes } from 'node:crypto'
import type { JsonObject } from '@quantum-ip/base'
import { jittered } from './lib/backoff.ts'
import { wait } from './lib/wait.ts'
import { requestJson } from './read-answer.ts'
import type { Requester } from './request.ts'

/** What is counted about policies here. */
export interface PolicyReportsOptions {
  /** Name of the enforcement point. */
  readonly point: string
  /** What was counted of each policy since its rollout was taken, where that changed. */
  readonly collect: () => readonly JsonObject[]
  /** What was collected did not arrive. */
  readonly onLost: () => void
  /** Milliseconds between reports. Default 2,000. */
  readonly intervalMs?: number
}

/**
 * Tells the authority every few seconds what is counted under each rollout (`POST /v1/policies/reports`): sums since the rollout was
 * taken, so that one that is lost or told twice does no harm.
 */
export function openPolicyReports(
  requester: Pick<Requester, 'request'>,
  { point, collect, onLost, intervalMs = 2_000 }: PolicyReportsOptions,
): AsyncDisposable {
  const stop = new AbortController()
  // A process that starts again counts from zero: the authority adds the two up.
  const run = randomBytes(9).toString('base64url')
  const send = async (): Promise<void> => {
    const reports = collect()
    if (reports.length === 0) return
    try {
      await requestJson(requester as Requester, {
        operation: 'policy reports',
        method: 'POST',
        target: '/v1/policies/reports',
        json: { point, run, reports },
        timeoutMs: 5_000,
      })
    } catch {
      // The authority is away; what is counted goes on, and is told when it is back.
      onLost()
    }
  }
  const running = (async () => {
    while (!stop.signal.aborted) {
      await wait(jittered(intervalMs, 0.2), stop.signal)
      await send()
    }
  })()
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}
