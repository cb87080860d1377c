import type { ServiceId } from '@quantum-ip/base'
import type { DeepMode } from './deep-mode.ts'

/** What a claim `req` is compared with: the request byte for byte as it arrived, before any rewriting. */
export interface RequestFacts {
  readonly method: string
  /** `@authority` of RFC 9421, section 2.2.3. */
  readonly authority: string
  /** `@request-target` of RFC 9421, section 2.2.5. */
  readonly target: string
  /** The scheme that the client used, where the point knows. Of all this only proofs of possession name it. */
  readonly scheme?: 'http' | 'https' | undefined
  /** SHA-256 of the content, where the point has it. */
  readonly contentDigest?: Uint8Array | undefined
}

/** All that a verification of one request needs to see of it. */
export interface VerifyInput {
  /** Value of the `Quantum-IP` field. */
  readonly token?: string | undefined
  /** How many `Quantum-IP` fields the request has, counted before the runtime joins them. */
  readonly tokenCount: number
  /** Value of the `Quantum-IP-Head` field. */
  readonly staple?: string | undefined
  /** Value of `tracestate`: only ever tells stripped from absent. */
  readonly tracestate?: string | undefined
  /** The service that is asked: what the token must be for. */
  readonly audience: ServiceId
  /** SHA-256 of the client certificate of this connection (RFC 8705, section 3.1). */
  readonly clientCertificateThumbprint?: Uint8Array | undefined
  /** SHA-256 thumbprint of the key whose proof of possession was verified for this request (RFC 7638). */
  readonly proofKeyThumbprint?: Uint8Array | undefined
  /** Value of the `Workload-Proof-Token` field: looked at only where the token is bound to a key that was not proved otherwise. */
  readonly proof?: string | undefined
  /** How many such fields the request has, counted before the runtime joins them. Two prove nothing. Default 1. */
  readonly proofCount?: number | undefined
  /**
   * Authorities that proofs may be for: lower case, without default port; with `https://` before it where that is what callers write, whatever
   * `request.scheme` is. Default: that of `request`.
   */
  readonly proofAuthorities?: readonly string[] | undefined
  readonly request?: RequestFacts | undefined
  /** The request's ID, the same on a retry. */
  readonly requestId?: string | undefined
  /** Name of the authenticated proxy that sent the request: only named ones may retry. */
  readonly proxy?: string | undefined
  /** Accept tokens for the whole trust domain (they must carry `cnf`). Default false. */
  readonly acceptDomainAudience?: boolean | undefined
  /** Accept tokens that carry their own signed head. Default false. */
  readonly acceptStandalone?: boolean | undefined
  /** Accept the JWT form. Default false. */
  readonly acceptJwt?: boolean | undefined
  /** Accept the reference form, which takes a look-up at the authority. Default false. */
  readonly acceptReference?: boolean | undefined
  /** How much this service matters, 0 the most, 2 the least: whose signature is checked first. Default 1. */
  readonly priority?: number | undefined
  /** Deep checks for this service, where they differ from the verifier's. */
  readonly deep?: DeepMode | undefined
}
