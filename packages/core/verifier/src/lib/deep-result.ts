import type { BuildFacts } from '@quantum-ip/attestation'
import type { TrustView } from '@quantum-ip/trust'
import type { TokenFacts } from './token-facts.ts'

/** A deep check that was done: what the attestation says, and what it rests on. */
export interface DeepResult {
  /** Origin of the attestation log. */
  readonly log: string
  readonly index: number
  readonly facts: BuildFacts
  /** When the attestation was logged; milliseconds. */
  readonly attestedMs: number
  readonly checkedMs: number
  /** Thumbprints of the builder's keys that signed, and of the log's. */
  readonly builderKids: readonly string[]
  readonly logKids: readonly string[]
}

/** Whether what a deep check found still holds: neither the build nor a key that it rests on was revoked since. */
export function isStillTrusted(trust: TrustView, result: DeepResult, { td, iat }: TokenFacts): boolean {
  if (trust.revocations.isBuildRevoked(result.facts.build, iat)) return false
  const { builderKids, logKids, log, index, facts } = result
  if (areUntouched(trust, builderKids, result, td) && areUntouched(trust, logKids, result, td)) return true
  // A key went. What it signed before may still count, or another set of the builder's signed as well.
  const sets = trust.builderKeySets(facts.builder, log, index)
  return (
    sets.some((set) => set.every(({ kid }) => builderKids.includes(kid))) &&
    logKids.every((kid) => trust.logKeys(log, index).some(({ key }) => key.kid === kid))
  )
}

// oxlint-disable-next-line max-params -- asked with each request
function areUntouched(
  trust: TrustView,
  kids: readonly string[],
  { log, index, builderKids }: DeepResult,
  td: string,
): boolean {
  const use = kids === builderKids ? 'qip-build' : 'qip-log'
  for (const kid of kids) {
    if (trust.revocations.isKeyRevokedAt(kid, log, index)) return false
    // A key that left the bundle retired: what it signed still counts.
    if (trust.keyByKid(td, kid, use)?.state === 'compromised') return false
  }
  return true
}
