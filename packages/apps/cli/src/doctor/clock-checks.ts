import { formatSpan } from '../lib/times.ts'
import { type DoctorCheck, runbook } from './check.ts'
import type { ProbeResult } from './send-probe.ts'

/** Clocks that were seen, each as milliseconds ahead of this machine's. */
export interface SeenClocks {
  /** By the newest signed state, which may be five seconds old; absent where there is none. */
  readonly authorityMs: number | undefined
  readonly results: readonly ProbeResult[]
  /** What a gateway tolerates. */
  readonly toleranceMs: number
}

const stateAgeMaxMs = 10_000

/** Compares the clocks of the authority, of each place and of the gateway. */
export function clockChecks({ authorityMs, results, toleranceMs }: SeenClocks): readonly DoctorCheck[] {
  const places = placeClocks(results)
  const ahead = [
    ...places.map(({ offsetMs }) => offsetMs),
    ...(authorityMs === undefined ? [] : [authorityMs]),
  ]
  const isOurs =
    ahead.length > 1 && ahead.every((ms) => Math.abs(ms) > toleranceMs && ms * (ahead[0] ?? 0) > 0)
  if (isOurs) {
    const seen = `all others are about ${formatSpan(Math.abs(ahead[0] ?? 0))} ${(ahead[0] ?? 0) > 0 ? 'ahead of' : 'behind'} this machine`
    return [{ name: 'clock', outcome: 'warn', hop: 'here', seen, next: "set this machine's clock right" }]
  }
  const checks: DoctorCheck[] = []
  if (authorityMs !== undefined) checks.push(authorityClock(authorityMs, toleranceMs))
  for (const { hop, offsetMs, by } of places) checks.push(clockCheck({ hop, offsetMs, by, toleranceMs }))
  return checks
}

interface PlaceClock {
  readonly hop: string
  readonly offsetMs: number
  readonly by: string
}

// The gateway tells its time to a millisecond. `Date` is whole seconds, and some proxies write it anew, so that it is theirs.
function placeClocks(results: readonly ProbeResult[]): readonly PlaceClock[] {
  const clocks: PlaceClock[] = []
  for (const { hop, dateOffsetMs } of results) {
    if (dateOffsetMs !== undefined) clocks.push({ hop: hop.name, offsetMs: dateOffsetMs, by: '`Date`' })
  }
  const answered = results.findLast(({ answer }) => answer !== undefined)
  const state = answered?.answer?.['state'] as
    | { readonly timeMs?: number; readonly point?: string }
    | undefined
  if (answered !== undefined && typeof state?.timeMs === 'number') {
    const offsetMs = state.timeMs - answered.sentMs
    clocks.push({ hop: state.point ?? 'gateway', offsetMs, by: 'its own word' })
  }
  return clocks
}

function authorityClock(offsetMs: number, toleranceMs: number): DoctorCheck {
  // A state is up to some seconds old, so that the authority looks behind by so much.
  const adjusted = offsetMs < 0 ? Math.min(0, offsetMs + stateAgeMaxMs) : offsetMs
  return clockCheck({ hop: 'authority', offsetMs: adjusted, by: 'its newest signed state', toleranceMs })
}

function clockCheck(clock: PlaceClock & { readonly toleranceMs: number }): DoctorCheck {
  const { hop, offsetMs, by, toleranceMs } = clock
  const size = Math.abs(offsetMs)
  const seen = `${formatSpan(size)} ${offsetMs < 0 ? 'behind' : 'ahead of'} this machine, by ${by}`
  const bad = { name: 'clock', hop, next: 'set it right (`chronyc makestep`); nothing is restarted' }
  if (size > toleranceMs) return { ...bad, outcome: 'fail', seen, runbook: runbook('clock-skew') }
  if (size > toleranceMs / 3) return { ...bad, outcome: 'warn', seen, runbook: runbook('clock-skew') }
  return {
    name: 'clock',
    hop,
    outcome: 'ok',
    seen: size < 2_000 ? `agrees with this machine, by ${by}` : seen,
  }
}
