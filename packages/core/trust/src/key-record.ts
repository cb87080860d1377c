import {
  type KemKey,
  type NoteKeyType,
  noteKeyTypes,
  type NoteVerifierKey,
  type PublicKey,
  type SignatureAlgorithm,
} from '@quantum-ip/crypto'

/** The uses of keys that sign, in a fixed order. */
export const signingUses = ['qip-token', 'qip-jwt', 'qip-log', 'qip-build', 'qip-policy', 'qip-feed'] as const

/**
 * What a key that signs is for, as the `use` of its JWK. A key is good for one use only.
 *
 * - `qip-token`: signs subtrees of one token log (ML-DSA-44, and Ed25519 beside it for hybrid)
 * - `qip-jwt`: signs tokens in the JWT form, never subtrees
 * - `qip-log`: signs the checkpoints of one log
 * - `qip-build`: one of a builder's keys; `name` is the builder's URI
 * - `qip-policy`: signs policies
 * - `qip-feed`: signs the state
 */
export type SigningUse = (typeof signingUses)[number]

/** What a key is for: a {@link SigningUse}, or `qip-kem` for keys that fields are sealed to. */
export type KeyUse = SigningUse | 'qip-kem'

/** The states of a key, in the order of its life. */
export const keyStates = ['planned', 'published', 'active', 'retiring', 'retired', 'compromised'] as const

/** Where a key is in its life: `planned → published → active → retiring → retired`, or `compromised` for ever. */
export type KeyState = (typeof keyStates)[number]

interface KeyRecordMembers {
  readonly state: KeyState
  /** The cosigner's name (`qip-token`, `qip-log`) or the builder's URI (`qip-build`); required for these. */
  readonly name?: string
  /** The origin of the one log whose entries this key speaks for; required for `qip-token` and `qip-log`. */
  readonly log?: string
  /** Which of a builder's key sets this key belongs to; all keys of one set must sign. Absent: the set without a name. */
  readonly set?: string
  /** The C2SP key ID, u32 big-endian, of (name, type, key). Computed, not on the wire; `qip-token` and `qip-log` have it. */
  readonly keyId?: number
}

/** A key of the bundle that signs, with what it may sign. */
export interface SigningKeyRecord extends KeyRecordMembers {
  readonly use: SigningUse
  readonly key: PublicKey
}

/** A key of the bundle that fields are sealed to. */
export interface KemKeyRecord extends KeyRecordMembers {
  readonly use: 'qip-kem'
  readonly key: KemKey
}

/** One key of a bundle. */
export type KeyRecord = SigningKeyRecord | KemKeyRecord

const mlDsa: readonly SignatureAlgorithm[] = ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87']
const composites: readonly SignatureAlgorithm[] = ['ML-DSA-44-Ed25519', 'ML-DSA-65-Ed25519']
const slhDsa: SignatureAlgorithm = 'SLH-DSA-SHA2-128s'

/**
 * The algorithms that a use takes. Ed25519 stands only where another key must sign as well: alone it would not
 * outlive classical signatures.
 */
export const algorithmsOf: Readonly<Record<SigningUse, readonly SignatureAlgorithm[]>> = {
  'qip-token': ['ML-DSA-44', 'Ed25519'],
  'qip-jwt': [...mlDsa, ...composites],
  'qip-log': ['ML-DSA-44', 'Ed25519'],
  'qip-build': [...mlDsa, slhDsa, ...composites, 'Ed25519'],
  'qip-policy': [...mlDsa, slhDsa, ...composites],
  'qip-feed': [...mlDsa, slhDsa, ...composites],
}

// What a key signed must be checked for as long as it is looked at: a token for minutes, a log or a build for years.
// A published key counts, so that becoming active changes who signs and nothing at any verifier.
const shortLived: readonly KeyState[] = ['published', 'active', 'retiring']
const longLived: readonly KeyState[] = ['published', 'active', 'retiring', 'retired']
const acceptableStates: Readonly<Record<KeyUse, readonly KeyState[]>> = {
  'qip-token': shortLived,
  'qip-jwt': shortLived,
  'qip-log': longLived,
  'qip-build': longLived,
  'qip-policy': longLived,
  'qip-feed': ['active', 'retiring'],
  'qip-kem': ['active'],
}

/**
 * Whether what this key signed counts, by the key's state: `published`, `active` and `retiring` for tokens, and `retired` too
 * for logs, builds and policies, whose signatures are looked at for years; only `active` and `retiring` for the
 * state, only `active` to seal to. Never `planned` or `compromised`. Revocation records are asked separately.
 */
export function isAcceptable({ use, state }: Pick<KeyRecord, 'use' | 'state'>): boolean {
  return acceptableStates[use].includes(state)
}

/**
 * The C2SP verifier key of a `qip-token` or `qip-log` record: what `verifyCheckpoint` and `verifySubtreeSignature` take.
 *
 * @throws {TypeError} for a record of another use.
 */
export function verifierKeyOf({ use, key, name, keyId }: SigningKeyRecord): NoteVerifierKey {
  if (name === undefined || keyId === undefined) throw new TypeError('the key signs no notes')
  return { name, keyId, type: noteTypeOf(use, key.alg), key }
}

/** The C2SP signature type of a `qip-token` or `qip-log` key. */
export function noteTypeOf(use: SigningUse, alg: SignatureAlgorithm): NoteKeyType {
  if (alg !== 'Ed25519') return noteKeyTypes.mlDsa44
  return use === 'qip-token' ? noteKeyTypes.subtreeEd25519 : noteKeyTypes.ed25519
}
