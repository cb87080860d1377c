import type { JsonObject } from '@quantum-ip/base'
import { requestJson, type Requester } from '@quantum-ip/client'
import { numberAt, objectAt, objectsAt, textAt } from './facts.ts'
import type { Focus } from './focus.ts'
import type { Subject } from './subject.ts'

/** Which decisions are asked for. */
export interface DecisionSpan {
  readonly sinceMs: number | undefined
  readonly untilMs: number | undefined
  /** The newest that are taken whole. */
  readonly limit: number
}

/** By what decisions about a subject are found: members of a query; `undefined` where they cannot be found. */
export type DecisionQueryMembers = Readonly<Record<string, string>>

/** What the store of decisions is asked for a subject. A token's digest is no index of it; its place in a log is. */
export function decisionQueryOf(
  subject: Subject,
  focus: Focus,
  logs: readonly string[],
): DecisionQueryMembers | undefined {
  const { kind, value } = subject
  switch (kind) {
    case 'build':
      return { build: value }
    case 'service':
      return { subject: value }
    case 'identifier': {
      const [build] = focus.builds
      const [service] = focus.services
      return { ...(service !== undefined && { subject: service }), ...(build !== undefined && { build }) }
    }
    case 'key': {
      const [log] = logs
      return log === undefined ? undefined : { log }
    }
    case 'token':
    case 'decision': {
      const [build] = focus.builds
      const [token] = focus.tokens
      // Of one request the other uses of its token matter, and where it has a build, what else that did.
      if (kind === 'decision' && build !== undefined) return { build }
      if (token?.log === undefined || token.index === undefined)
        return build === undefined ? undefined : { build }
      return { log: token.log, index: String(token.index) }
    }
  }
}

/**
 * Asks for the decisions about a subject: all of them counted, and some whole: the first and the last that passed and that did not,
 * those on heads that are in no log, and the newest.
 */
export async function collectDecisions(
  requester: Requester,
  query: DecisionQueryMembers,
  { sinceMs, untilMs, limit }: DecisionSpan,
): Promise<JsonObject> {
  const span = {
    ...(sinceMs !== undefined && { since: String(sinceMs) }),
    ...(untilMs !== undefined && { until: String(untilMs) }),
  }
  const ask = (target: string, members: DecisionQueryMembers) =>
    askFor(requester, target, { ...query, ...span, ...members })
  const list = (members: DecisionQueryMembers) =>
    ask('decisions', members).then((json) => objectsAt(json, 'decisions'))
  const counts = await ask('decision-counts', { by: 'service,status,reason,action,subject' })
  const oldest = await askFor(requester, 'decisions', { order: 'oldest', limit: '1' })
  const whole = await Promise.all([
    list({ action: 'allow', order: 'oldest', limit: '1' }),
    list({ action: 'allow', limit: '1' }),
    list({ action: 'reject', order: 'oldest', limit: '1' }),
    list({ action: 'quarantine', order: 'oldest', limit: '1' }),
    list({ head: 'unlogged', limit: String(limit) }),
    list({ limit: String(limit) }),
  ])
  const records = new Map(whole.flat().map((record) => [textAt(record, 'id') ?? '', record]))
  const first = objectsAt(oldest, 'decisions')[0]
  return {
    query: { ...query, ...span },
    total: numberAt(counts, 'count') ?? 0,
    requests: numberAt(counts, 'requests') ?? 0,
    groups: [...objectsAt(counts, 'groups')],
    suppressed: [...objectsAt(counts, 'suppressed')],
    oldestMs: first === undefined ? null : (numberAt(first, 'timeMs') ?? null),
    records: [...records.values()],
  }
}

async function askFor(
  requester: Requester,
  path: string,
  members: DecisionQueryMembers,
): Promise<JsonObject> {
  const target = `/v1/${path}?${new URLSearchParams(members).toString()}`
  const json = await requestJson(requester, {
    operation: 'the decisions',
    method: 'GET',
    target,
    answerBytesMax: 64 * 1_048_576,
    timeoutMs: 120_000,
  })
  return json as JsonObject
}

/** The places of tokens that decisions name, the first and the last that passed in front, each once. */
export function tokenPlaces(
  decisions: JsonObject,
  placesMax: number,
): readonly { log: string; index: number }[] {
  const places = new Map<string, { log: string; index: number }>()
  for (const record of objectsAt(decisions, 'records')) {
    const token = objectAt(record, 'token')
    const log = token && textAt(token, 'log')
    const index = token && numberAt(token, 'index')
    if (log !== undefined && index !== undefined && places.size < placesMax)
      places.set(`${log}/${index}`, { log, index })
  }
  return [...places.values()]
}
