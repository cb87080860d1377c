import { hex, type TrustDomain, u32be } from '@quantum-ip/base'
import type { Envelope, Signer } from '@quantum-ip/crypto'
import { isAcceptable, type KeyRecord, type KeyUse, type SigningKeyRecord } from './key-record.ts'
import { checkDomain, parseDomain } from './lib/domain.ts'
import { checkSignatures, openEnvelope, signDocument, verified } from './lib/envelopes.ts'
import { keyRecordJson, parseKeyRecord } from './lib/key-record-json.ts'
import { type Members, parseDocument } from './lib/members.ts'
import { serialise } from './lib/serialise.ts'
import { checkNotAhead, checkNotExpired } from './lib/times.ts'
import { trustLimits } from './payload-types.ts'
import type { RootDocument } from './root-document.ts'
import { TrustError } from './trust-errors.ts'
import type { EnvelopeInput, Verified } from './verified.ts'

/** The keys of a trust domain, a JWK Set in SPIFFE's form. It replaces its predecessor and never merges with it. */
export interface Bundle {
  readonly td: TrustDomain
  /** `spiffe_sequence`: strictly ascending. */
  readonly sequence: number
  /** `spiffe_refresh_hint`, seconds. */
  readonly refreshHintS: number
  readonly keys: readonly KeyRecord[]
  /** The sequence of the root document under which this bundle was signed. */
  readonly rootSequence: number
  /** Seconds since 1970. */
  readonly issued: number
  /** Seconds since 1970; at most seven days after `issued`. */
  readonly expires: number
  /** Entries that were passed over, as SPIFFE demands for what one does not know. Not written when a bundle is built. */
  readonly ignored?: readonly IgnoredKey[]
}

/**
 * An entry of the JWK Set that counts for nothing here.
 *
 * Passing over a key must never turn a refusal into an acceptance: where the key's signature is needed beside others
 * (a builder's set, a hybrid token log), the whole set or log is out of use, which is why use, name, log and set stand here.
 */
export interface IgnoredKey {
  readonly index: number
  readonly reason: string
  /** Present where the use is one of ours. */
  readonly use?: KeyUse
  readonly name?: string
  readonly log?: string
  readonly set?: string
}

/** How bundles are read. */
export interface BundleOptions {
  /** Take keys of composite algorithms, which are a draft. Default: they are passed over. */
  readonly composites?: boolean
}

const members = [
  'keys',
  'spiffe_sequence',
  'spiffe_refresh_hint',
  'td',
  'rootSequence',
  'issued',
  'expires',
  'crit',
]

/**
 * The payload of a bundle: always the same bytes for the same bundle.
 *
 * @throws {TrustError} as {@link parseBundle}; `QIP_TRUST_DOCUMENT_MALFORMED` also for a key that readers would pass over.
 */
export function buildBundle(bundle: Bundle): Uint8Array {
  const { td, sequence, refreshHintS, keys, rootSequence, issued, expires } = bundle
  const payload = serialise({
    keys: keys.map((record) => keyRecordJson(record)),
    spiffe_sequence: sequence,
    spiffe_refresh_hint: refreshHintS,
    td,
    rootSequence,
    issued,
    expires,
  })
  const [ignored] = parseBundle(payload, { composites: true }).ignored ?? []
  if (ignored !== undefined) {
    const { index, reason } = ignored
    throw new TrustError('QIP_TRUST_DOCUMENT_MALFORMED', {
      document: 'bundle',
      path: `keys[${index}]`,
      reason,
    })
  }
  return payload
}

/**
 * Reads the payload of a bundle. Entries with a `kty`, `use`, `alg` or `state` that is not known here are passed over and listed
 * in `ignored`; unknown members are ignored unless `crit` lists them. Nothing is verified.
 *
 * @throws {TrustError} `QIP_TRUST_KEY_ID_COLLISION` if two keys share a thumbprint or a 4-byte key ID (a token names its key by
 *   the latter) · `QIP_TRUST_DOCUMENT_MALFORMED` · `QIP_TRUST_LIMIT_EXCEEDED` · `QIP_TRUST_CRITICAL_UNKNOWN`
 */
export function parseBundle(payload: Uint8Array, { composites = false }: BundleOptions = {}): Bundle {
  const set = parseDocument(payload, 'bundle', trustLimits.documentBytesMax)
  set.checkCritical(members)
  const td = parseDomain(set)
  const keys: KeyRecord[] = []
  const ignored: IgnoredKey[] = []
  for (const index of set.array('keys', trustLimits.bundleKeysMax).keys()) {
    const record = parseKeyRecord(set.element('keys', index), { td, composites })
    if ('ignored' in record) ignored.push({ index, ...record.ignored })
    else keys.push(record)
  }
  checkKeyIds(keys)
  checkTokenLogs(keys, set)
  checkFeedKeys(keys)
  return { td, ...parseNumbers(set), keys, ignored }
}

function parseNumbers(set: Members) {
  const issued = set.integer('issued')
  const expires = set.integer('expires', { min: issued, max: issued + trustLimits.bundleLifetimeMaxS })
  return {
    sequence: set.integer('spiffe_sequence', { min: 1 }),
    refreshHintS: set.has('spiffe_refresh_hint') ? set.integer('spiffe_refresh_hint') : defaultRefreshHintS,
    rootSequence: set.integer('rootSequence', { min: 1 }),
    issued,
    expires,
  }
}

// SPIFFE Federation, section 4.1: five minutes where the bundle says nothing.
const defaultRefreshHintS = 300

function checkKeyIds(keys: readonly KeyRecord[]): void {
  const seen = new Set<string | number>()
  for (const { key, keyId } of keys) {
    if (seen.has(key.kid)) throw new TrustError('QIP_TRUST_KEY_ID_COLLISION', { keyId: key.kid })
    seen.add(key.kid)
    if (keyId === undefined) continue
    if (seen.has(keyId)) throw new TrustError('QIP_TRUST_KEY_ID_COLLISION', { keyId: hex(u32be(keyId)) })
    seen.add(keyId)
  }
}

// A token log has one issuing key for its whole life. Ed25519 only ever stands beside it.
function checkTokenLogs(keys: readonly KeyRecord[], set: Members): void {
  const issuing = new Set<string>()
  const companions = new Set<string>()
  for (const { use, key, log } of keys) {
    if (use !== 'qip-token' || log === undefined) continue
    const seen = key.alg === 'Ed25519' ? companions : issuing
    if (seen.has(log)) throw set.malformed('keys', `has two keys of one algorithm for token log \`${log}\``)
    seen.add(log)
  }
  for (const log of companions) {
    if (!issuing.has(log)) throw set.malformed('keys', `has only an Ed25519 key for token log \`${log}\``)
  }
}

/** Feed keys that may be in force at once: with more, one junk state would cost too many checks. */
const feedKeysMax = 16

function checkFeedKeys(keys: readonly KeyRecord[]): void {
  const count = keys.filter((record) => record.use === 'qip-feed' && isAcceptable(record)).length
  if (count > feedKeysMax) {
    throw new TrustError('QIP_TRUST_LIMIT_EXCEEDED', {
      document: 'bundle',
      what: 'feed keys',
      limit: feedKeysMax,
    })
  }
}

/**
 * Signs a bundle with bundle keys; each signature is checked before it is returned.
 *
 * @throws {TrustError} as {@link buildBundle}
 */
export async function signBundle(bundle: Bundle, signers: readonly Signer[]): Promise<Envelope> {
  return signDocument('bundle', buildBundle(bundle), signers)
}

/** What {@link verifyBundle} checks, and against what. */
export interface BundleToVerify extends BundleOptions {
  readonly envelope: EnvelopeInput
  readonly root: RootDocument
  readonly timeS: number
}

/**
 * Verifies a bundle: signed by `bundleThreshold` of the root document's bundle keys, for its trust domain, neither expired nor
 * from the future. That it is no older than another is {@link TrustStore}'s business.
 *
 * @throws {TrustError} `QIP_TRUST_SIGNATURES_INSUFFICIENT` · `QIP_TRUST_DOMAIN_MISMATCH` · `QIP_TRUST_DOCUMENT_MISSING` if it rests
 *   on a later root document · `QIP_TRUST_DOCUMENT_EXPIRED` · `QIP_TRUST_TIME_AHEAD`, and as {@link parseBundle}
 */
export async function verifyBundle(input: BundleToVerify): Promise<Verified<Bundle>> {
  const { root, timeS } = input
  const envelope = openEnvelope(input.envelope, 'bundle')
  const bundle = parseBundle(envelope.payload, input)
  // Before the signatures: a later root document may hold the bundle keys that made them.
  if (bundle.rootSequence > root.sequence) {
    const details = { document: 'bundle', needs: 'root', sequence: bundle.rootSequence } as const
    throw new TrustError('QIP_TRUST_DOCUMENT_MISSING', details)
  }
  const signers = await checkSignatures(envelope, {
    document: 'bundle',
    signers: 'bundle keys',
    keys: root.bundleKeys,
    threshold: root.bundleThreshold,
  })
  checkDomain('bundle', root.td, bundle.td)
  checkNotExpired('bundle', bundle.expires, timeS)
  checkNotAhead('bundle', bundle.issued * 1_000, timeS * 1_000)
  return verified(bundle, envelope, signers)
}

/** The keys of `bundle` that may sign the state now. */
export function feedKeys({ keys }: Bundle): readonly SigningKeyRecord[] {
  return keys.filter(
    (record): record is SigningKeyRecord => record.use === 'qip-feed' && isAcceptable(record),
  )
}
