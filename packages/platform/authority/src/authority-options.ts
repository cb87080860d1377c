import type { AdjudicationVerdict } from './decisions/adjudications.ts'
import type { Clock, Random, TrustDomain } from '@quantum-ip/base'
import type { AdmissionRule, SlsaLevel } from '@quantum-ip/attestation'
import type { PublicKey, SignatureAlgorithm } from '@quantum-ip/crypto'
import type { RecordedAct } from './acts.ts'
import type { AttestationDemand } from './admission/admission.ts'
import type { DetectionObserver, DetectionRules } from './detection/detection.ts'
import type { IssuedBatch } from './issuance/issuer.ts'
import type { GatePolicy } from './keys/rotation-gate.ts'
import type { KeyLives } from './keys/schedule.ts'
import type { LedgerOptions } from './ledger/ledger-beyond.ts'
import type { Store, StorePlaces } from './store/open-store.ts'

/** A builder as configuration names it. Its keys must all have signed. */
export interface BuilderOrder {
  readonly id: string
  readonly keys: readonly PublicKey[]
  readonly slsaLevel: SlsaLevel
}

/** What an authority is opened with. */
export interface AuthorityOptions {
  readonly trustDomain: TrustDomain
  readonly places: StorePlaces
  /** Stands in for the store that would be opened at `places`; closed with the authority. */
  readonly store?: Store
  /** The name under which it issues, where it is one of several on one store and leads them. */
  readonly leads?: string
  readonly rules: readonly AdmissionRule[]
  readonly builders: readonly BuilderOrder[]
  readonly requireAttestation: readonly { readonly service: string; readonly demand: AttestationDemand }[]
  readonly sessionTtlS?: number
  readonly tokenTtlS?: number
  /** Default 60. */
  readonly oneTimeTtlS?: number
  readonly tokenCharsMax?: number
  /** How long refreshing orders may wait to share a batch. Default 1,000 ms. */
  readonly patienceMs?: number
  /** Issue tokens as JWTs, where a request asks for it. Default false. */
  readonly jwt?: boolean
  /** Sign heads with Ed25519 beside ML-DSA-44. Holds for issuing keys that are made from now on. Default false. */
  readonly hybrid?: boolean
  /** Seconds that a bundle is valid. Default and limit seven days. */
  readonly bundleTtlS?: number
  /** How long reported decisions are kept. Default 30 days. */
  readonly keepDecisionsMs?: number
  /** Seconds that a join token may be used, where the order does not say. Default 600. */
  readonly joinTokenTtlS?: number
  readonly batchMax?: number
  readonly batchIntervalMs?: number
  readonly headIntervalMs?: number
  readonly heartbeatMs?: number
  /** When a new key may sign. Default: all members must have acknowledged it, and it is held after five minutes. */
  readonly rotation?: Partial<GatePolicy>
  /** Milliseconds between looks at rotations that are under way. Default 500. */
  readonly rotationStepMs?: number
  /** How long a key of each use signs. Default: an issuing key a day, the others a month, a log's a year. */
  readonly keyLifeMs?: Partial<KeyLives>
  readonly jwtAlgorithm?: SignatureAlgorithm
  readonly detection?: DetectionRules
  /** How long it is kept, sealed, what each logged hash opens to; 0: not at all. Default 30 days. */
  readonly keepIssuanceMs?: number
  /** How long the entries of closed token logs are kept. Default 90 days. */
  readonly keepLogsMs?: number
  /** How long closed security events are kept. Default 365 days. */
  readonly keepEventsMs?: number
  readonly clock?: Clock
  readonly random?: Random
  readonly onBatch?: (batch: IssuedBatch) => void
  /** Told of every use of a key. */
  readonly onKeyUse?: DetectionObserver['onKeyUse']
  /** Told of every signature that was made, and how long it took. */
  readonly onSigned?: DetectionObserver['onSigned']
  /** Told how long the signatures of each envelope took that came to the registry. */
  readonly onVerified?: ((durationMs: number) => void) | undefined
  /** Told of everything that an operator does, once it is recorded. */
  readonly onAct?: (act: RecordedAct) => void
  /** Told of every security event that is raised. */
  readonly onSecurityEvent?: DetectionObserver['onSecurityEvent']
  /** Told of what operators say of decisions. */
  readonly onAdjudication?: (verdict: AdjudicationVerdict) => void
  /** Where logs are published, and who cosigns them. Default: nowhere, nobody. */
  readonly ledger?: LedgerOptions
  /** Told of what an operator must hear of. */
  readonly onEvent?: (event: string, detail: Readonly<Record<string, string | number>>) => void
}
