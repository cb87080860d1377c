import type { Json, ServiceId } from '@quantum-ip/base'
import type { BindingEvidence } from '@quantum-ip/token'
import type { SqlStatement } from '../store/sql.ts'
import type { SessionRole } from './sessions.ts'

/** What an admission method found out about a workload. */
export interface Admitted {
  readonly sid: ServiceId
  readonly role: SessionRole
  /** The builds that it may say it runs: lowercase hexadecimal SHA-256. The caller never names one outside of these. */
  readonly builds: readonly string[]
  /** How sure it is that these builds run there. */
  readonly binding: BindingEvidence
  /** When the session must end, seconds; absent: when the configuration says. */
  readonly expiresS?: number
  /** What makes the evidence unusable a second time; written together with the session, or the admission fails. */
  readonly consume: readonly SqlStatement[]
}

/**
 * A way in which a workload proves who it is: a join token, a Kubernetes service account, a CI job.
 *
 * One file each. A method only reads evidence; rules, attestations and sessions are not its business.
 */
export interface AdmissionMethod {
  /** What callers write in `method`. */
  readonly name: string
  /** Whether a session may be renewed by itself: not where the evidence itself has an end that must be heeded. */
  readonly renewable: boolean
  /** @throws {AuthorityError} `QIP_AUTHORITY_ADMISSION_REFUSED` */
  admit(evidence: Json): Promise<Admitted>
}
