import type { JsonObject } from '@quantum-ip/base'
import { type AnswerReader, openTransport, requestJson } from '@quantum-ip/client'
import { plural } from '../lib/plural.ts'
import { formatSpan } from '../lib/times.ts'
import { type DoctorCheck, runbook } from './check.ts'
import type { ProbeResult } from './send-probe.ts'
import { wordOf } from './word-of.ts'

// A state is due every 5 s; what is further behind than two of them has lost the feed.
const lateMs = 12_000

/** How fresh the trust state is at each gateway that answered. */
export function pointChecks(results: readonly ProbeResult[]): readonly DoctorCheck[] {
  const points = new Map<string, JsonObject>()
  for (const { answer } of results) {
    const state = answer?.['state'] as JsonObject | undefined
    if (state !== undefined) points.set(wordOf(state, 'point'), state)
  }
  return [...points].map(([point, state]) => pointCheck(point, state))
}

/** The same of the gateway on this machine, by its operators' socket: also where no ticket is taken. */
export async function localPointChecks(address: string): Promise<readonly DoctorCheck[]> {
  await using transport = openTransport({ url: address, attemptsMax: 1, timeoutMs: 5_000 })
  try {
    const request = { operation: 'its status', method: 'GET', target: '/v1/status' } as const
    const { threads } = (await requestJson(transport, request)) as {
      readonly threads?: readonly JsonObject[]
    }
    return (threads ?? []).flatMap((thread, at) => {
      const point = `this machine's gateway, thread ${at}`
      return [pointCheck(point, thread)].concat(ownClockChecks(point, thread))
    })
  } catch (error) {
    const seen = error instanceof Error ? error.message : 'no answer'
    return [{ name: 'trust-fresh', outcome: 'open', hop: 'this machine', seen }]
  }
}

const offsetMaxMs = 30_000

// Ahead of the signed time of the newest state, which is a little old.
function ownClockChecks(point: string, { clockOffsetMs }: JsonObject): readonly DoctorCheck[] {
  if (typeof clockOffsetMs !== 'number' || Math.abs(clockOffsetMs) <= offsetMaxMs) return []
  return [
    {
      name: 'clock',
      hop: point,
      outcome: 'fail',
      seen: `${formatSpan(Math.abs(clockOffsetMs))} ${clockOffsetMs > 0 ? 'ahead of' : 'behind'} the signed state`,
      next: 'set it right (`chronyc makestep`); nothing is restarted',
      runbook: runbook('clock-skew'),
    },
  ]
}

function pointCheck(point: string, state: JsonObject): DoctorCheck {
  const { ageMs, staleness, ready } = state
  const age = typeof ageMs === 'number' ? formatSpan(ageMs) : 'unknown'
  const check = { name: 'trust-fresh', hop: point }
  const next = 'restore the way from this point to `authority.url`; nothing is restarted'
  if (typeof staleness === 'string')
    return {
      ...check,
      outcome: 'fail',
      seen: `its trust state is ${staleness}, ${age} old`,
      next,
      runbook: runbook('stale-trust'),
    }
  if (typeof ageMs !== 'number' || ageMs > lateMs)
    return {
      ...check,
      outcome: 'warn',
      seen: `its trust state is ${age} old`,
      next,
      runbook: runbook('stale-trust'),
    }
  if (ready !== true)
    return {
      ...check,
      outcome: 'warn',
      seen: 'it refuses one-time tokens for now',
      next: 'see /readyz of its socket',
      runbook: runbook('redis-loss'),
    }
  return { ...check, outcome: 'ok', seen: `its trust state is ${age} old, number ${wordOf(state, 'seq')}` }
}

/** Who of the fleet is behind, as the authority sees it: gateways that no probe reached are among them. */
export function fleetChecks(
  members: readonly AnswerReader[],
  { seq, nowMs }: { readonly seq: number; readonly nowMs: number },
): readonly DoctorCheck[] {
  const points = members.map((member) => ({
    point: member.text('point'),
    behindMs: seq - member.integer('seq'),
    silentMs: nowMs - member.integer('seenMs'),
  }))
  const late = points.filter(({ behindMs, silentMs }) => Math.max(behindMs, silentMs) > lateMs)
  if (points.length === 0)
    return [
      {
        name: 'fleet-current',
        outcome: 'warn',
        seen: 'nobody follows the trust state: every enforcement point is cut off, or none is enrolled',
        next: '`qip fleet`; a point that is silent for a minute is not in it any more',
        runbook: runbook('stale-trust'),
      },
    ]
  if (late.length === 0)
    return [
      {
        name: 'fleet-current',
        outcome: 'ok',
        seen: plural(points.length, 'member follows', 'members follow'),
      },
    ]
  return late.map(({ point, behindMs, silentMs }) => ({
    name: 'fleet-current',
    outcome: 'fail' as const,
    hop: point,
    seen: `${formatSpan(Math.max(0, behindMs))} behind, last heard ${formatSpan(silentMs)} ago`,
    next: 'restore its way to the authority',
    runbook: runbook('stale-trust'),
  }))
}
