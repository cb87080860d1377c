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
 * Asks for the decisions about a subject: all of them counted, and some whole: of each reason the first and the last that passed or
 * did not, those on heads that are in no log, and the newest.
 *
 * The counts say when each of these was, so that it is asked for by its moment: no search through millions for the first of its kind.
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
  const list = (members: DecisionQueryMembers) =>
    askFor(requester, 'decisions', { ...query, ...members }).then((json) => objectsAt(json, 'decisions'))
  const by = 'service,status,reason,action,subject'
  const counts = await askFor(requester, 'decision-counts', { ...query, ...span, by })
  const oldest = await askFor(requester, 'decisions', { order: 'oldest', limit: '1' })
  const groups = objectsAt(counts, 'groups')
  const unlogged = groups.length === 0 ? [] : await list({ ...span, head: 'unlogged', limit: String(limit) })
  const newest = groups.length === 0 ? [] : await list({ ...span, limit: String(limit) })
  const named: (readonly JsonObject[])[] = []
  for (const moment of namedMoments(groups)) named.push(await list(moment))
  const records = new Map(
    [...named.flat(), ...unlogged, ...newest].map((record) => [textAt(record, 'id') ?? '', record]),
  )
  const first = objectsAt(oldest, 'decisions')[0]
  return {
    query: { ...query, ...span },
    total: numberAt(counts, 'count') ?? 0,
    requests: numberAt(counts, 'requests') ?? 0,
    groups: [...groups],
    isWhole: counts['more'] !== true,
    suppressed: [...objectsAt(counts, 'suppressed')],
    oldestMs: first === undefined ? null : (numberAt(first, 'timeMs') ?? null),
    records: [...records.values()],
  }
}

const reasonsMax = 8

/** The first and the last decision of what passed, and of each reason of what did not: by their moments. */
function namedMoments(groups: readonly JsonObject[]): readonly DecisionQueryMembers[] {
  const passing = groups.filter((group) => textAt(group, 'action') === 'allow')
  const stopped = groups.filter((group) => textAt(group, 'action') !== 'allow')
  const byReason = [...Map.groupBy(stopped, (group) => textAt(group, 'reason') ?? '')].slice(0, reasonsMax)
  return [
    ...edgesOf(passing, { action: 'allow' }),
    ...byReason.flatMap(([reason, of]) => edgesOf(of, { reason })),
  ]
}

function edgesOf(
  groups: readonly JsonObject[],
  members: DecisionQueryMembers,
): readonly DecisionQueryMembers[] {
  if (groups.length === 0) return []
  const first = Math.min(...groups.map((group) => numberAt(group, 'firstMs') ?? 0))
  const last = Math.max(...groups.map((group) => numberAt(group, 'lastMs') ?? 0))
  const at = (ms: number) => ({ ...members, since: String(ms), until: String(ms + 1), limit: '1' })
  return first === last ? [at(first)] : [at(first), at(last)]
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
