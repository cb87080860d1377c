import type { JsonObject } from '@quantum-ip/base'
import { type CheckOutcome, type DoctorCheck, runbook } from './check.ts'
import { directiveFor } from './directives.ts'
import { type Fate, fateOf } from './fate.ts'
import { locate, type Location } from './locate.ts'
import type { ProbeResult } from './send-probe.ts'
import { wordOf } from './word-of.ts'

/** Whether a gateway is reached at each place, and answers. */
export function reachChecks(results: readonly ProbeResult[]): readonly DoctorCheck[] {
  const [outer] = results
  if (outer === undefined) return []
  const place = locate(results, (result) => fateOf(result).kind !== 'whole')
  if (place === undefined) {
    const rows = results.filter((result) => fateOf(result).kind !== 'whole')
    return [
      { name: 'gateway-answers', outcome: 'ok', seen: reachedText(outer) },
      // Behind the first one it may be closed to others than the proxies.
      ...rows.map((result): DoctorCheck => ({
        name: 'hop-answers',
        hop: result.hop.name,
        outcome: 'warn',
        seen: fateOf(result).says,
        next: 'ask from a machine that may reach this place; what is said of hops is less exact without it',
      })),
    ]
  }
  const found = results.find(({ hop }) => hop.name === place.hop) as ProbeResult
  const fate = fateOf(found)
  return [
    {
      name: 'gateway-answers',
      outcome: 'fail',
      hop: place.hop,
      seen: `${fate.says}; ${place.says}`,
      next: reachAdvice(found),
      ...(isStale(found) && { runbook: runbook('stale-trust') }),
    },
  ]
}

function isStale({ code }: ProbeResult): boolean {
  return code === 'unverifiable'
}

function reachedText({ answer = {} }: ProbeResult): string {
  const point = wordOf(answer['state'] as JsonObject | undefined, 'point')
  return `\`${point}\` answers, route \`${wordOf(answer, 'route')}\` of ${wordOf(answer, 'service')}`
}

function reachAdvice({ code, reason, status, error }: ProbeResult): string {
  if (error !== undefined) return 'check the address, the name and the certificate (--service-ca)'
  if (code === 'no_route') return 'give a URL whose host and path one of `gateway.routes` matches'
  if (code === 'unverifiable')
    return 'the gateway cannot verify: look at its trust state below, and at its way to the authority'
  if (reason === 'token_expired' || reason === 'token_not_yet_valid') return 'compare the clocks, see below'
  if (code === 'overloaded') return 'the gateway sheds load: `docs/runbooks/verifier-overload.md`'
  if (status === 404) return 'give a URL that leads to a gateway'
  return 'is there a gateway of this trust domain behind it, with `gateway.probes` on, and does the query (`quantum-ip-probe`) pass? The gateway itself as the last --hop tells'
}

/**
 * What became of one kind of probe, at each place.
 *
 * @param plain of a small token. What is lost in the same way at the same place is told once: of the larger one nothing is known.
 */
export function arrivalCheck(
  results: readonly ProbeResult[],
  plain?: readonly ProbeResult[],
): DoctorCheck | undefined {
  const [outer] = results
  if (outer === undefined) return undefined
  const { kind } = outer
  const name = `${kind.name}-arrives`
  const lost = lossOf(results)
  const size = `${kind.what}, ${kind.bytes} bytes`
  if (lost === undefined) return { name, outcome: 'ok', seen: `${size}: arrives whole` }
  const { fate, place } = lost
  const before = plain && lossOf(plain)
  if (before?.place.hop === place.hop && before.fate.kind === fate.kind)
    return { name, outcome: 'open', hop: place.hop, seen: `${size}: ${fate.kind} like a small token` }
  return {
    name,
    outcome: kind.severity,
    hop: place.hop,
    seen: `${size}: ${fate.says}; ${place.says}`,
    next: directiveFor(fate.kind, place.product) ?? 'compare what the places say',
    runbook: runbook('header-loss'),
  }
}

function lossOf(
  results: readonly ProbeResult[],
): { readonly fate: Fate; readonly place: Location } | undefined {
  const place = locate(results, (result) => fateOf(result).kind !== 'whole')
  const found = results.find(({ hop }) => hop.name === place?.hop)
  return place === undefined || found === undefined ? undefined : { place, fate: fateOf(found) }
}

/** Whether the hint in `tracestate` arrives, by which a stripped token is told from an absent one. */
export function hintCheck(results: readonly ProbeResult[]): DoctorCheck {
  const place = locate(results, ({ answer }) => answer !== undefined && received(answer)['hint'] !== true)
  return fieldCheck('hint-arrives', place, {
    good: 'the hint in `tracestate` arrives',
    bad: 'the hint in `tracestate` does not arrive: a stripped token looks like an absent one',
    next: 'let `tracestate` (W3C Trace Context) pass; a tracing agent on the way may write its own',
    outcome: 'warn',
  })
}

/** Whether the challenge comes back, by which callers learn that a head must be stapled. */
export function challengeCheck(results: readonly ProbeResult[]): DoctorCheck {
  const place = locate(results, ({ answer, challenge }) => answer !== undefined && !challenge)
  return fieldCheck('challenge-returns', place, {
    good: '`WWW-Authenticate` comes back',
    bad: '`WWW-Authenticate: Quantum-IP` does not come back: callers do not learn that they must staple a head',
    next: 'let `WWW-Authenticate` pass in responses (nginx: no `proxy_hide_header WWW-Authenticate`; HAProxy: no `http-response del-header`)',
    outcome: 'warn',
  })
}

function fieldCheck(
  name: string,
  place: Location | undefined,
  texts: {
    readonly good: string
    readonly bad: string
    readonly next: string
    readonly outcome: CheckOutcome
  },
): DoctorCheck {
  if (place === undefined) return { name, outcome: 'ok', seen: texts.good }
  const { outcome, bad, next } = texts
  return {
    name,
    outcome,
    hop: place.hop,
    seen: `${bad}; ${place.says}`,
    next,
    runbook: runbook('header-loss'),
  }
}

/** What the verdict on the doctor's own good token says, once it arrived. */
export function verdictCheck(result: ProbeResult | undefined): DoctorCheck | undefined {
  if (result?.answer === undefined || fateOf(result).kind !== 'whole') return undefined
  const { verdict, decision, exempt } = result.answer as {
    verdict?: JsonObject
    decision?: JsonObject
    exempt?: boolean
  }
  const reason = wordOf(verdict, 'reason')
  const [action, policy, mode] = ['action', 'policy', 'mode'].map((name) => wordOf(decision, name))
  if (exempt === true)
    return {
      name: 'token-verifies',
      outcome: 'warn',
      seen: 'this path is exempt: nobody is asked who calls',
      next: 'give a URL that is not in `exempt` of its route',
    }
  if (verdict?.['status'] === 'verified')
    return {
      name: 'token-verifies',
      outcome: 'ok',
      seen: `${reason}; the policy \`${policy}\` in ${mode} would ${action}`,
    }
  return {
    name: 'token-verifies',
    outcome: 'fail',
    seen: `a good token is \`${reason}\` at the gateway`,
    next: 'see `docs/reference/verdicts.md` for the reason',
    ...(reason.startsWith('token_') && { runbook: runbook('clock-skew') }),
    ...(reason === 'trust_stale' && { runbook: runbook('stale-trust') }),
  }
}

function received(answer: JsonObject): JsonObject {
  return (answer['received'] ?? {}) as JsonObject
}
