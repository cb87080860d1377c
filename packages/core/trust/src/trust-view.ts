import type { TrustDomain } from '@quantum-ip/base'
import type { PublicKey } from '@quantum-ip/crypto'
import type { HeadRecord } from './head-record.ts'
import type { KemKeyRecord, SigningKeyRecord, SigningUse } from './key-record.ts'
import type { RevocationCheck } from './revocation-check.ts'
import type { LogHead, PolicyVersion } from './state.ts'

/** Why a trust state is not to be relied on. */
export type Staleness =
  | 'no_root'
  | 'root_expired'
  | 'no_bundle'
  | 'bundle_expired'
  | 'no_state'
  | 'state_old'
  /** This clock is behind the held state by more than the tolerance: it went back, and the age means nothing. */
  | 'clock_behind'

/** What a verifier asks on each request. Nothing here allocates, waits or reads a clock. */
export interface TrustView {
  readonly td: TrustDomain
  /** The epoch of the revocations in force; 0 before the first state. */
  readonly epoch: number
  readonly revocations: RevocationCheck
  /**
   * The key with this 4-byte key ID, in whatever state: ask {@link isAcceptable} and `revocations` too. For `qip-token` it
   * is always the log's issuing key, never its Ed25519 companion. `undefined` for another trust domain.
   */
  keyFor(td: TrustDomain, keyId: number, use: 'qip-token' | 'qip-log'): SigningKeyRecord | undefined
  /** The key with this thumbprint. */
  keyByKid(td: TrustDomain, kid: string, use: SigningUse): SigningKeyRecord | undefined
  /**
   * Every key that must sign a head of this token log for it to count without a state: one, or two for hybrid. The issuing key
   * comes first. `undefined` if there is no such log, or if it also demands a key that is not understood here: then
   * only a state can vouch for its heads.
   */
  cosigners(origin: string): readonly SigningKeyRecord[] | undefined
  /** The keys of one use, in the bundle's order. */
  keysOf(use: SigningUse): readonly SigningKeyRecord[]
  /** The keys that fields are sealed to. */
  kemKeys(): readonly KemKeyRecord[]
  /**
   * The hash that a state listed for exactly this head, or `undefined`. `keyId` has to be the issuing key of `origin`. What
   * is returned is not to be written to.
   */
  headFor(
    origin: string,
    keyId: number,
    head: { readonly start: number; readonly end: number },
  ): Uint8Array | undefined
  /**
   * From where on a missing head was never listed: if `headsCompleteFrom(origin) < end <= logSize(origin)` and {@link headFor}
   * knows nothing, there is no such head. At or below it, the head may have been listed before this store followed.
   */
  headsCompleteFrom(origin: string): number
  /** The log as the held state gives it. */
  logHead(origin: string): LogHead | undefined
  /** The size of the log in the held state, -1 if it is not listed. */
  logSize(origin: string): number
  policy(name: string): PolicyVersion | undefined
  /** Milliseconds since the held state was signed, 0 if it is from the near future; `Infinity` without one. */
  ageMs(nowMs: number): number
  /** Why the trust held is too old to rely on at `nowMs`, or `undefined` if it isn't. */
  staleness(nowMs: number, staleAfterMs: number): Staleness | undefined
  /**
   * The key sets of a builder that count for an attestation at `index` of log `origin`: every key of a set must have
   * signed. Keys that are compromised or revoked there take their whole set with them. Allocates: for deep checks.
   */
  builderKeySets(builder: string, origin: string, index: number): readonly (readonly PublicKey[])[]
  /** The keys whose checkpoint of log `origin` counts for an entry at `index`. Allocates. */
  logKeys(origin: string, index: number): readonly SigningKeyRecord[]
}

/** What a {@link TrustView} reports, after it has taken effect. A listener that throws is the caller's defect. */
export interface TrustListener {
  /** Revocations were confirmed: cached verdicts have to be asked again. */
  onEpoch?(epoch: number): void
  /** A state listed heads: what was provisional may now be anchored. */
  onHeads?(heads: readonly HeadRecord[]): void
  /** A key turned `compromised`, or a revocation took it out. */
  onCompromised?(key: SigningKeyRecord): void
  /** A bundle took effect. */
  onBundle?(sequence: number): void
  /** A state took effect. */
  onState?(seq: number, timeMs: number): void
  /** Heads were dropped before they expired, because the limit was reached. */
  onHeadsDropped?(count: number): void
}
