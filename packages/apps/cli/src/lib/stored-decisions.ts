import type { Json, JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson, type Requester } from '@quantum-ip/client'
import type { LogRecord, SealKeyRecord } from '@quantum-ip/telemetry'
import { isObject } from './json.ts'

const pageMax = 1_000

/**
 * The decisions that the authority has for a query, the oldest first, page by page; each sealed key before the first record that
 * needs it, and at the end what was not recorded.
 */
export async function* storedDecisions(
  requester: Requester,
  query: Readonly<Record<string, string>>,
): AsyncGenerator<LogRecord> {
  const keys = new Set<string>()
  for (let cursor: string | undefined; ;) {
    const page = await ask(requester, '/v1/decisions', {
      ...query,
      order: 'oldest',
      limit: String(pageMax),
      ...(cursor !== undefined && { cursor }),
    })
    for (const record of page['decisions'] as readonly Json[]) {
      const decision = record as unknown as LogRecord
      const key = decision.kind === 'decision' ? decision.sealed?.key : undefined
      if (key !== undefined && !keys.has(key)) {
        keys.add(key)
        const found = await sealKey(requester, key)
        if (found !== undefined) yield found
      }
      yield decision
    }
    if (typeof page['cursor'] !== 'string') break
    cursor = page['cursor']
  }
  yield* suppressions(requester, query)
}

/** What was not recorded in the span of the query, as far as that is known by what it asks for. */
async function* suppressions(
  requester: Requester,
  { since, until, reason, point, ...narrow }: Readonly<Record<string, string>>,
): AsyncGenerator<LogRecord> {
  if (Object.keys(narrow).length > 0) return
  const span = { ...(since !== undefined && { since }), ...(until !== undefined && { until }) }
  // Nothing is counted for it: the counts of decisions are not asked for here.
  const counts = await ask(requester, '/v1/decision-counts', { ...span, trace: '0'.repeat(32) })
  const toMs = until === undefined ? Date.now() : Number(until)
  for (const one of new AnswerReader(counts, 'what was suppressed').objects('suppressed', pageMax)) {
    const [at, of] = [one.text('point'), one.text('reason')]
    if ((point !== undefined && at !== point) || (reason !== undefined && !reason.split(',').includes(of)))
      continue
    const count = one.integer('count')
    yield {
      kind: 'suppressed',
      id: `${at}-${of}`,
      point: at,
      reason: of as never,
      cause: 'rate',
      count,
      fromMs: Number(since ?? 0),
      toMs,
    }
  }
}

async function sealKey(requester: Requester, id: string): Promise<SealKeyRecord | undefined> {
  try {
    const found = await ask(requester, `/v1/decision-seal-keys/${encodeURIComponent(id)}`, {})
    return { kind: 'seal_key', ...found } as unknown as SealKeyRecord
  } catch {
    // It was never sent, or has gone: the records are there all the same.
    return undefined
  }
}

async function ask(
  requester: Requester,
  path: string,
  query: Readonly<Record<string, string>>,
): Promise<JsonObject> {
  const text = new URLSearchParams(query).toString()
  const target = text === '' ? path : `${path}?${text}`
  const answer = await requestJson(requester, { operation: 'the decisions', method: 'GET', target })
  return answer !== undefined && isObject(answer) ? answer : {}
}
