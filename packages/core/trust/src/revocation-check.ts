/**
 * The revocations in force, as each request asks for them: constant time, nothing allocated, no clock.
 *
 * `iat` is the token's; `before` of a record is compared with it. Expired records have been taken out already.
 */
export interface RevocationCheck {
  /** How many records are in force. */
  readonly size: number
  /** Whether a key is revoked altogether. */
  isKeyRevoked(kid: string): boolean
  /**
   * Whether what a builder or log key signed at `index` of log `origin` is revoked: the key as a whole, or from an
   * index on that is not above this one.
   */
  isKeyRevokedAt(kid: string, origin: string, index: number): boolean
  /** The index of log `origin` from which on the key is revoked: 0 if altogether, `Infinity` if no record is about it. */
  keyRevokedFrom(kid: string, origin: string): number
  /** Whether tokens of this service ID that were issued at `iat` are revoked. */
  isIdentityRevoked(serviceId: string, iat: number): boolean
  /** Whether tokens for this build (32 bytes) that were issued at `iat` are revoked. */
  isBuildRevoked(build: Uint8Array, iat: number): boolean
  /** Whether the claims with this SHA-256 (32 bytes) are revoked. */
  isTokenRevoked(digest: Uint8Array): boolean
  /** Whether the entry at `index` of token log `origin` is revoked, by itself or in a range. */
  isEntryRevoked(origin: string, index: number): boolean
}
