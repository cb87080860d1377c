import { isQipError, type TrustDomain } from '@quantum-ip/base'
import { type Envelope, parsePublicJwk, type PublicKey, publicJwk, type Signer } from '@quantum-ip/crypto'
import { checkDomain, parseDomain } from './lib/domain.ts'
import { checkNotBack, checkRises } from './lib/rising.ts'
import { checkSignatures, openEnvelope, signDocument, verified } from './lib/envelopes.ts'
import { serialise } from './lib/serialise.ts'
import { type Members, parseDocument } from './lib/members.ts'
import { checkNotExpired } from './lib/times.ts'
import { trustLimits } from './payload-types.ts'
import { TrustError } from './trust-errors.ts'
import type { EnvelopeInput, Verified } from './verified.ts'

/** The document that all trust starts from: who may sign its successor, and who may sign bundles. */
export interface RootDocument {
  readonly td: TrustDomain
  /** Strictly ascending from document to document. */
  readonly sequence: number
  /** Seconds since 1970. */
  readonly expires: number
  /** ML-DSA-87 or SLH-DSA-SHA2-128s, kept offline; none of them is a bundle key too. */
  readonly roots: readonly PublicKey[]
  /** How many of `roots` must sign. */
  readonly threshold: number
  /** Any ML-DSA, or SLH-DSA-SHA2-128s. */
  readonly bundleKeys: readonly PublicKey[]
  /** How many of `bundleKeys` must sign a bundle. */
  readonly bundleThreshold: number
}

/** What a verifier is configured with: the root keys' thumbprints, and how many of them it demands. */
export interface RootPins {
  readonly thumbprints: readonly string[]
  /** The first root document may not have a lower threshold: a single stolen root key could lower it. */
  readonly threshold: number
}

/** The pins under which `document` is accepted as the first one. */
export function pinsOf({ roots, threshold }: Pick<RootDocument, 'roots' | 'threshold'>): RootPins {
  return { thumbprints: roots.map(({ kid }) => kid), threshold }
}

const members = ['td', 'sequence', 'expires', 'roots', 'threshold', 'bundleKeys', 'bundleThreshold', 'crit']

/**
 * The payload of a root document: always the same bytes for the same document, so that offline keys in different
 * places sign the same.
 *
 * @throws {TrustError} as {@link parseRootDocument}: what would be refused is not built.
 */
export function buildRootDocument(document: RootDocument): Uint8Array {
  const { td, sequence, expires, roots, threshold, bundleKeys, bundleThreshold } = document
  const payload = serialise({
    td,
    sequence,
    expires,
    roots: roots.map((key) => publicJwk(key)),
    threshold,
    bundleKeys: bundleKeys.map((key) => publicJwk(key)),
    bundleThreshold,
  })
  parseRootDocument(payload)
  return payload
}

/**
 * Reads the payload of a root document. Unknown members are ignored unless `crit` lists them. Nothing is verified.
 *
 * @throws {TrustError} `QIP_TRUST_DOCUMENT_MALFORMED` · `QIP_TRUST_LIMIT_EXCEEDED` · `QIP_TRUST_CRITICAL_UNKNOWN`
 */
export function parseRootDocument(payload: Uint8Array): RootDocument {
  const root = parseDocument(payload, 'root', trustLimits.documentBytesMax)
  root.checkCritical(members)
  const roots = parseKeys(root, 'roots', ['ML-DSA-87', 'SLH-DSA-SHA2-128s'])
  const bundleKeys = parseKeys(root, 'bundleKeys', [
    'ML-DSA-44',
    'ML-DSA-65',
    'ML-DSA-87',
    'SLH-DSA-SHA2-128s',
  ])
  if (bundleKeys.some(({ kid }) => roots.some((other) => other.kid === kid))) {
    throw root.malformed('bundleKeys', 'has a root key in it')
  }
  return {
    td: parseDomain(root),
    sequence: root.integer('sequence', { min: 1 }),
    expires: root.integer('expires'),
    roots,
    threshold: root.integer('threshold', { min: 1, max: roots.length }),
    bundleKeys,
    bundleThreshold: root.integer('bundleThreshold', { min: 1, max: bundleKeys.length }),
  }
}

function parseKeys(root: Members, name: string, algorithms: readonly string[]): PublicKey[] {
  const keys = root.array(name, trustLimits.rootKeysMax).map((_, index) => {
    const jwk = root.element(name, index)
    try {
      return parsePublicJwk(jwk.object)
    } catch (cause) {
      if (!isQipError(cause)) throw cause
      throw jwk.malformed('', `is no key: ${cause.message}`, { cause })
    }
  })
  if (keys.length === 0) throw root.malformed(name, 'is empty')
  for (const [index, { alg, kid }] of keys.entries()) {
    if (!algorithms.includes(alg)) throw root.malformed(`${name}[${index}]`, `is of algorithm \`${alg}\``)
    if (keys.findIndex((other) => other.kid === kid) !== index) throw root.malformed(name, 'has a key twice')
  }
  return keys
}

/**
 * Signs a root document with `signers`; each signature is checked before it is returned. A successor needs the threshold of
 * the previous roots and of its own. Signatures made elsewhere over the same payload are added with `joinSignatures`.
 *
 * @throws {TrustError} as {@link buildRootDocument}
 */
export async function signRootDocument(
  document: RootDocument,
  signers: readonly Signer[],
): Promise<Envelope> {
  return signDocument('root', buildRootDocument(document), signers)
}

/** What {@link verifyRootDocument} checks, and against what. */
export interface RootToVerify {
  readonly envelope: EnvelopeInput
  /** The document before it; or the pins, for the first one. */
  readonly trusted: RootPins | RootDocument
  /** Now; `superseded` for one that only leads to its successor, and may have expired since. */
  readonly timeS: number | 'superseded'
}

/**
 * Verifies a root document: signed by its own threshold, and by the threshold of the previous roots or with exactly the
 * pinned keys; a higher sequence than its predecessor's; not expired.
 *
 * @throws {TrustError} `QIP_TRUST_ROOT_NOT_PINNED` · `QIP_TRUST_SIGNATURES_INSUFFICIENT` · `QIP_TRUST_DOMAIN_MISMATCH` ·
 *   `QIP_TRUST_WENT_BACKWARDS` · `QIP_TRUST_SEQUENCE_REUSED` · `QIP_TRUST_DOCUMENT_EXPIRED`, and as
 *   {@link parseRootDocument}
 */
export async function verifyRootDocument(input: RootToVerify): Promise<Verified<RootDocument>> {
  const { trusted, timeS } = input
  const envelope = openEnvelope(input.envelope, 'root')
  const document = parseRootDocument(envelope.payload)
  if ('thumbprints' in trusted) {
    checkPinned(document, trusted)
  } else {
    checkDomain('root', trusted.td, document.td)
    checkNotBack('root', { what: 'sequence', held: trusted.sequence, offered: document.sequence })
    await checkSignatures(envelope, required('root keys before it', trusted))
  }
  const signers = await checkSignatures(envelope, required('root keys', document))
  if ('sequence' in trusted) {
    // Only now: that two different documents of one sequence are signed is a reason for alarm, that one is not is none.
    checkRises('root', { what: 'sequence', held: trusted.sequence, offered: document.sequence })
  }
  if (timeS !== 'superseded') checkNotExpired('root', document.expires, timeS)
  return verified(document, envelope, signers)
}

function required(signers: string, { roots, threshold }: RootDocument) {
  return { document: 'root', signers, keys: roots, threshold } as const
}

function checkPinned({ roots, threshold }: RootDocument, pins: RootPins): void {
  const pinned = new Set(pins.thumbprints)
  const met = roots.filter(({ kid }) => pinned.has(kid)).length
  const isSame = roots.length === pinned.size && met === roots.length
  if (!isSame) {
    // With some of them met it is a forgotten thumbprint far more often than another trust domain.
    const counts = `${met} of its ${roots.length} keys are pinned, of ${pinned.size} pins`
    const reason =
      met === 0 ? 'its keys are others' : `${counts}: all of its keys are to be pinned, and no others`
    throw new TrustError('QIP_TRUST_ROOT_NOT_PINNED', { reason })
  }
  if (threshold < pins.threshold) {
    const reason = `its threshold ${threshold} is below the pinned ${pins.threshold}`
    throw new TrustError('QIP_TRUST_ROOT_NOT_PINNED', { reason })
  }
}
