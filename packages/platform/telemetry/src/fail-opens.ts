import type { Decision } from '@quantum-ip/policy'
import type { Verdict } from '@quantum-ip/verifier'
import { type FailOpen, failOpenPlaces } from './closed-sets.ts'

/**
 * Every way in which this request passed although closed operation would have stopped it; empty for most, and for
 * all that were refused.
 */
export function failOpensOf(verdict: Verdict, decision: Decision): readonly FailOpen[] {
  const bits = failOpenBits(verdict, decision)
  return bits === 0 ? none : kinds.filter((kind) => (bits & bitOf[kind]) !== 0)
}

/**
 * The same as a number, a bit for each kind at its place. Asked of every request, so it is comparisons alone: a list of
 * them, walked, cost a verified request more than its verdict.
 */
export function failOpenBits(verdict: Verdict, decision: Decision): number {
  const { action, wouldBe } = decision
  if (action === 'reject') return 0
  return (wouldBe === 'allow' ? 0 : modeBit(decision)) | grantBits(verdict, decision) | noteBits(verdict)
}

const kinds = Object.keys(failOpenPlaces) as readonly FailOpen[]
const none: readonly FailOpen[] = []
const bitOf = Object.fromEntries(kinds.map((kind) => [kind, 1 << failOpenPlaces[kind]])) as Readonly<
  Record<FailOpen, number>
>

// What the policy would have stopped.
function modeBit({ mode, enforced }: Decision): number {
  if (mode === 'monitor') return bitOf.monitor
  return mode === 'canary' && !enforced ? bitOf.canary : 0
}

// What the policy names.
function grantBits({ status, authenticated }: Verdict, decision: Decision): number {
  let bits = 0
  if (decision.deferred) bits |= bitOf.deferred
  if (decision.exception !== null) bits |= bitOf.exception
  if (decision.wouldBe === 'reject') return bits
  if (!authenticated) bits |= bitOf.anonymous
  else if (status === 'unverifiable') bits |= bitOf.unverifiable
  if (decision.reason === 'engine_unavailable') bits |= bitOf.engine_unavailable
  return bits
}

// What the verifier's configuration names.
function noteBits({ notes, oneTime }: Verdict): number {
  let bits = 0
  if (notes.staleTrustAccepted) bits |= bitOf.stale_trust
  if (notes.unanchoredHead) bits |= bitOf.unanchored_head
  if (notes.replayPerInstance && oneTime) bits |= bitOf.replay_per_instance
  if (notes.domainAudience) bits |= bitOf.domain_audience
  return bits
}
