import { base64 } from '@quantum-ip/base'
import type { Decision } from '@quantum-ip/policy'
import { formatStatus } from '@quantum-ip/token'
import { type BindingEvidence, type Verdict, bindingEvidences } from '@quantum-ip/verifier'

/** What the upstream of an exempt route reads: nobody was asked who calls. */
export const exemptStatus = formatStatus({
  status: 'missing',
  reason: 'exempt',
  action: 'allow',
  mode: 'enforce',
})

// The first half of a value comes from closed sets, and is written once for each combination.
const written = new Map<string, Map<string, string>>()

/**
 * The value of `Quantum-IP-Status` for a request that goes on: what `formatStatus` writes, at a third of
 * its cost, since everything in it comes from closed sets or has been parsed already.
 */
export function statusValue(verdict: Verdict, decision: Decision, id: string | null): string {
  const { identity, build } = verdict
  let value = firstHalf(verdict, decision)
  // A service ID has no quote and no backslash, and neither has a decision ID.
  if (identity !== undefined) value += `, sub="${identity}"`
  if (build !== undefined) {
    value += `, bld=:${base64(build.digest)}:, bev=${evidenceNumber(build.evidence)}`
  }
  return id === null ? value : `${value}, id="${id}"`
}

function firstHalf({ status, reason }: Verdict, { action, mode, deferred }: Decision): string {
  let byReason = written.get(reason)
  if (byReason === undefined) written.set(reason, (byReason = new Map()))
  const how = deferred ? `${action} ${mode} deferred` : action === 'allow' ? mode : `${action} ${mode}`
  let value = byReason.get(how)
  if (value === undefined) {
    value = formatStatus({ status, reason, action, mode, deferred })
    byReason.set(how, value)
  }
  return value
}

function evidenceNumber(evidence: BindingEvidence): number {
  return bindingEvidences.indexOf(evidence)
}
