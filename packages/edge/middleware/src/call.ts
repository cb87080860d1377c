import type { ServiceId } from '@quantum-ip/base'
import type { Decision } from '@quantum-ip/policy'
import type { BuildFacts, Verdict } from '@quantum-ip/verifier'

/** What was found out about the caller of one request: what handlers read as `request.quantumIp`. */
export interface QuantumIpCall {
  readonly verdict: Verdict
  /** Who calls; `undefined` where that was not proven and the policy lets such calls through. */
  readonly identity: ServiceId | undefined
  /** The build that calls, where the token names one. */
  readonly build: BuildFacts | undefined
  /** `quarantine` where the policy says so: what such a caller gets is then up to the handler. */
  readonly action: 'allow' | 'quarantine'
  /** What the policy says, all of it: in monitor mode `decision.wouldBe` differs from `action`. */
  readonly decision: Decision
  /** Names the record of this decision; `null` where it is not recorded. */
  readonly decisionId: string | null
}
