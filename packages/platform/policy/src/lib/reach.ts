import type { Reason, Status } from '@quantum-ip/verifier'
import type { Consequence, EngineClause, PolicyDocument, Rule } from '../document.ts'
import { allReasons, statusByReason } from '../verdict-reasons.ts'

/**
 * For which verdicts a consequence may hold at all.
 *
 * INVARIANT: decided here alone, from names in the document and the verdict's own table, never from what a
 * condition says: no condition, however wrong, lets a verdict through that nobody named.
 */
export interface Reach {
  readonly authenticated: ReadonlySet<string>
  readonly unauthenticated: ReadonlySet<string>
  /** What a verdict may besides be unverifiable for; `null`: anything. */
  readonly also: ReadonlySet<string> | null
}

interface Claim {
  readonly consequence: Consequence
  /** The reasons that it is about. */
  readonly scope: readonly Reason[]
  /** Those among them that are there by name. */
  readonly named: ReadonlySet<string>
  readonly anonymous: boolean
  readonly acceptsShallow: boolean
  readonly also: ReadonlySet<string>
}

/** The reach of a rule. `readsDeep`: whether its condition reads `verdict.deep`. */
export function reachOfRule(rule: Rule, readsDeep: boolean): Reach {
  const named = new Set<string>(rule.reasons)
  return reachOf({
    consequence: rule,
    scope: rule.reasons ?? allReasons,
    named,
    anonymous: rule.anonymous,
    acceptsShallow: readsDeep,
    also: named,
  })
}

/** The reach of one action of an engine: what needs no name, and what is named. */
export function reachOfEngine(clause: EngineClause, consequence: Consequence): Reach {
  const named = new Set<string>(clause.reasons)
  return reachOf({
    consequence,
    scope: allReasons,
    named,
    anonymous: clause.anonymous,
    acceptsShallow: false,
    also: named,
  })
}

/** The reach of the line of `default` that is for `reason`. */
export function reachOfDefault(document: PolicyDocument, reason: Reason): Reach {
  const { byReason, byStatus } = document.defaults
  const status: Status = statusByReason[reason]
  const consequence = byReason[reason] ?? byStatus[status]
  return reachOf({
    consequence,
    scope: [reason],
    named: new Set(byReason[reason] === undefined ? [] : [reason]),
    anonymous: document.anonymous || (document.mode === 'monitor' && status === 'missing'),
    acceptsShallow: false,
    also: new Set(allReasons.filter((other) => byReason[other]?.action === consequence.action)),
  })
}

function reachOf(claim: Claim): Reach {
  const { consequence, scope } = claim
  if (consequence.action === 'reject') {
    const all = new Set<string>(scope)
    return { authenticated: all, unauthenticated: all, also: null }
  }
  return {
    authenticated: new Set(scope.filter((reason) => holdsAuthenticated(reason, claim))),
    unauthenticated: new Set(scope.filter((reason) => holdsUnauthenticated(reason, claim))),
    also: claim.also,
  }
}

function holdsAuthenticated(reason: Reason, claim: Claim): boolean {
  switch (statusByReason[reason]) {
    case 'verified':
      if (reason !== 'ok_shallow') return true
      return claim.named.has(reason) || claim.acceptsShallow || claim.consequence.deferred
    case 'missing':
      // A caller without a token is never authenticated; if a verdict says so, it is not believed.
      return false
    case 'invalid':
      return claim.named.has(reason)
    case 'unverifiable':
      return reason !== 'overloaded' && claim.named.has(reason)
  }
}

function holdsUnauthenticated(reason: Reason, claim: Claim): boolean {
  const named = claim.named.has(reason)
  switch (statusByReason[reason]) {
    case 'verified':
    case 'unverifiable':
      return false
    case 'missing':
      return claim.consequence.action === 'allow' ? claim.anonymous : named
    case 'invalid':
      return named && (claim.consequence.action === 'quarantine' || claim.anonymous)
  }
}

/** Whether a consequence of this reach may hold for a verdict. */
export function reaches(
  reach: Reach,
  verdict: { readonly reason: string; readonly authenticated: boolean; readonly also: readonly string[] },
): boolean {
  const set = verdict.authenticated ? reach.authenticated : reach.unauthenticated
  if (!set.has(verdict.reason)) return false
  if (reach.also === null || verdict.also.length === 0) return true
  const { also } = reach
  return verdict.also.every((reason) => also.has(reason))
}
