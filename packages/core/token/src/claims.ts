/** Who was in the call before this one: one earlier token, as the authority saw it when it exchanged it. */
export interface Hop {
  /** The service ID of the caller then. */
  readonly sid: string
  /** The attestation log of its build, `n` of `…/attestations/<n>`; 0 where its token named no attestation. */
  readonly attLog: number
  /** The index there; 0 where `attLog` is 0. */
  readonly attIndex: number
  /** The token log of its token, `n` of `…/tokens/<n>`. */
  readonly log: number
  /** The index of its token there. */
  readonly index: number
}

/**
 * The key that the caller must show: the SHA-256 thumbprint of a JWK (RFC 7638, as DPoP's `jkt` of RFC 9449)
 * or of a client certificate (`x5t#S256`, RFC 8705). 32 bytes each.
 */
export type Confirmation =
  | { readonly jkt: Uint8Array; readonly x5tS256?: never }
  | { readonly x5tS256: Uint8Array; readonly jkt?: never }

/** How the authority came to know which build was running. */
export type BindingEvidence =
  /** Declared: someone said so. */
  | 0
  /** Platform: the API server or the kubelet said so. */
  | 1
  /** Measured: a node agent hashed it. */
  | 2
  /** Hardware. */
  | 3

/**
 * What a token says. A closed set: version 1 has these twelve claims and no others.
 *
 * Rules that hold for every value that was decoded or encoded: `exp` is 1 to 3,600 s after `iat` (120 s
 * for a one-time token), 1 to 8 audiences (exactly 1 for a one-time token), a bare trust domain among them
 * only with `cnf`, at most 8 hops, at most 3,072 encoded bytes.
 */
export interface Claims {
  /** The service ID of the caller. Its trust domain is the issuer. */
  readonly sub: string
  /** Service IDs of whom the token is for; with `cnf` also bare trust domains. */
  readonly aud: readonly string[]
  /** Expiry, in seconds since 1970, below 2^32. */
  readonly exp: number
  /** When it was issued, in seconds since 1970. */
  readonly iat: number
  /** 16 random bytes. **The bearer secret: the logged hash hides behind it. In no log, span or error.** */
  readonly jti: Uint8Array
  /** The key that the caller must show. A point that cannot check it refuses the token. */
  readonly cnf?: Confirmation
  /** SHA-256 of the artifact that was running, 32 bytes; absent where the caller has none. */
  readonly bld?: Uint8Array
  /** How the build was established. */
  readonly bev?: BindingEvidence
  /** `[n, index]` in `…/attestations/<n>`: the attestation that admission relied on. `n` counts from 1. */
  readonly att?: readonly [log: number, index: number]
  /** 1 for a one-time token; absent for many uses. */
  readonly use?: 1
  /** The provenance chain, oldest first. */
  readonly chn?: readonly Hop[]
  /** The request that the token is bound to, 32 bytes: see `requestBinding`. */
  readonly req?: Uint8Array
}
