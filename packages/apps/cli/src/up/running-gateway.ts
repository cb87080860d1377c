import type { JsonObject } from '@quantum-ip/base'
import { snapshotFacts } from '@quantum-ip/policy'
import type { DecisionRecord, RecentDecision } from '@quantum-ip/telemetry'
import { type GatewayPart, type GatewayPartOptions, openGatewayPart } from './gateway-part.ts'

/** A gateway that runs, in this thread or in several. */
export interface RunningGateway {
  readonly url: string
  /** The decision of this ID, if one of the threads made it lately. */
  find(id: string): Promise<RecentDecision | undefined>
  /** The newest decisions, newest first. */
  newest(count: number): Promise<readonly RecentDecision[]>
  /** The newest decisions that relied on a head which is in no log. */
  unlogged(): Promise<readonly DecisionRecord[]>
  /** What each thread holds of the trust state. */
  status(): Promise<readonly JsonObject[]>
  /** The text of a policy version that the authority rolled out. */
  policyText(name: string, version: number): Promise<string | undefined>
  /** Sets the gauges; returns the metric cells of other threads. */
  refresh(): readonly Float64Array[]
  close(): Promise<void>
  /** Its parts, where it runs in this very thread. */
  readonly part?: GatewayPart
}

/** Runs a gateway in this thread. */
export async function openGatewayHere(options: GatewayPartOptions): Promise<RunningGateway> {
  const part = await openGatewayPart(options)
  return {
    part,
    url: urlOf(part),
    find: (id) => Promise.resolve(findIn(part, id)),
    newest: (count) => Promise.resolve(newestIn(part, count)),
    unlogged: () => Promise.resolve(part.decisions.unlogged()),
    status: () => Promise.resolve([statusOf(part)]),
    policyText: (name, version) => Promise.resolve(part.policies.textOf(name, version)),
    refresh() {
      part.refresh()
      return []
    },
    close: () => part.close(),
  }
}

/** A decision with its facts read: they are read on demand otherwise, and what they are read from stays here. */
export function findIn({ decisions }: GatewayPart, id: string): RecentDecision | undefined {
  const found = decisions.find(id)
  return found && { record: found.record, facts: snapshotFacts(found.facts) }
}

/** The newest decisions, like {@link findIn}. */
export function newestIn({ decisions }: GatewayPart, count: number): readonly RecentDecision[] {
  return decisions.newest(count).map(({ record, facts }) => ({ record, facts: snapshotFacts(facts) }))
}

/** Where a gateway listens. */
export function urlOf({ gateway }: GatewayPart): string {
  const address = gateway.addresses[0]
  if (address === undefined) return ''
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${address.secure ? 'https' : 'http'}://${host}:${address.port}`
}

/** The trust state that a gateway holds, as JSON. */
export function statusOf({ follower, verifier, replay, deferred, recording }: GatewayPart): JsonObject {
  const { mode, seq, epoch, bundleSequence, ageMs, clockOffsetMs, staleness, caughtUp, feedsLost } =
    follower.status()
  return {
    mode,
    seq: seq ?? null,
    epoch,
    bundleSequence: bundleSequence ?? null,
    ageMs: Number.isFinite(ageMs) ? ageMs : null,
    clockOffsetMs: clockOffsetMs ?? null,
    staleness: staleness ?? null,
    caughtUp,
    feedsLost,
    ready: verifier.ready(),
    replay: replay.status(),
    ...verifier.stats(),
    decisionLog: { ...recording.local.status(), ...recording.uploaded() },
    deferredBacklog: deferred.backlog,
    deferredDropped: deferred.dropped,
    deferredProven: deferred.proven.length,
  }
}
