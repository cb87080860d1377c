import type { ServiceId } from '@quantum-ip/base'

/** Which requests get a deep check before they are answered; `deferred`: none, it follows the answer. */
export type DeepCheckConfig = 'never' | 'sampled' | 'deferred' | 'always'

/** Deep checks for one service. */
export interface ServiceDeepCheckConfig {
  readonly service: ServiceId
  readonly deepCheck: DeepCheckConfig
  readonly sampling: number
}

/** Deep checks of the attestation that a token names. */
export interface AttestationsConfig {
  readonly deepCheck: DeepCheckConfig
  /** Of requests, where `sampled`. */
  readonly sampling: number
  /** For services where it differs; one that is not listed gets what stands above. */
  readonly perService: readonly ServiceDeepCheckConfig[]
  /** Of requests, where `sampled` or `deferred`, while a security event is open. */
  readonly incidentSampling: number
  readonly freshForMs: number
  readonly cacheMax: number
}
