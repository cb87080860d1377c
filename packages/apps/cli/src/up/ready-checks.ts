import type { JsonObject } from '@quantum-ip/base'
import type { HealthCheck } from '@quantum-ip/http'

const replayReasons: Readonly<Record<string, string>> = {
  away: 'the shared store does not answer',
  timeout: 'the shared store does not answer in time',
  open: 'the shared store did not answer lately',
  unchecked: 'the shared store is being looked at',
  evicts: 'the shared store may evict: set its maxmemory-policy to noeviction',
  clock: "the shared store's clock and this one are more than a minute apart",
  floor: 'its memory began anew, and no trust state is younger yet',
}

/** What must hold for a gateway to judge, out of the states of its threads. */
export function readyChecks(status: JsonObject): readonly HealthCheck[] {
  const threads = (Array.isArray(status['threads']) ? status['threads'] : []) as readonly JsonObject[]
  const stale = threads.map(({ staleness }) => staleness).find((staleness) => typeof staleness === 'string')
  const waiting = threads.find(({ ready }) => ready !== true)
  return [
    check('trust', stale === undefined ? undefined : `the trust state is ${stale}`),
    waiting === undefined
      ? { name: 'replay', ok: true, ...fallenBack(threads) }
      : check('replay', `one-time tokens are refused: ${replayReason(waiting)}`),
  ]
}

// Served all the same, but whoever looks should see it.
function fallenBack(threads: readonly JsonObject[]): { readonly reason?: string } {
  const alone = threads.find((thread) => faultOf(thread) !== undefined)
  return alone === undefined ? {} : { reason: `this instance counts for itself: ${replayReason(alone)}` }
}

function replayReason(thread: JsonObject): string {
  const fault = faultOf(thread) ?? 'floor'
  return replayReasons[fault] ?? fault
}

function faultOf({ replay }: JsonObject): string | undefined {
  const redis = (replay as JsonObject)['redis'] as JsonObject | undefined
  return typeof redis?.['fault'] === 'string' ? redis['fault'] : undefined
}

function check(name: string, reason: string | undefined): HealthCheck {
  return reason === undefined ? { name, ok: true } : { name, ok: false, reason }
}
