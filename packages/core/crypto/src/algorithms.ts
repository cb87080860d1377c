import { CryptoError } from './crypto-errors.ts'

/** An algorithm that is one signature scheme. */
export type PlainAlgorithm = 'ML-DSA-44' | 'ML-DSA-65' | 'ML-DSA-87' | 'SLH-DSA-SHA2-128s' | 'Ed25519'

/** An algorithm of two schemes that must both hold: a draft, hence used only where it is allowed by name. */
export type CompositeAlgorithm = 'ML-DSA-44-Ed25519' | 'ML-DSA-65-Ed25519'

/** The signature algorithms, by their JOSE names. A key is good for exactly one of them. */
export type SignatureAlgorithm = PlainAlgorithm | CompositeAlgorithm

/** Sizes of an algorithm in bytes. */
export interface AlgorithmSizes {
  readonly publicBytes: number
  /** The seed, where the scheme derives everything from one; else the private key. */
  readonly secretBytes: number
  readonly signatureBytes: number
}

/** What must be known of a {@link PlainAlgorithm} to drive OpenSSL. */
export interface PlainScheme extends AlgorithmSizes {
  readonly type: 'ml-dsa-44' | 'ml-dsa-65' | 'ml-dsa-87' | 'slh-dsa-sha2-128s' | 'ed25519'
  readonly secretFormat: 'raw-seed' | 'raw-private'
  /** Whether sign and verify take a context string (FIPS 204 and 205: up to 255 bytes). */
  readonly hasContext: boolean
}

/** The parts of a {@link CompositeAlgorithm}. */
export interface CompositeScheme extends AlgorithmSizes {
  readonly postQuantum: 'ML-DSA-44' | 'ML-DSA-65'
  readonly traditional: 'Ed25519'
  /** The ASCII label that separates this composite from all others. */
  readonly label: string
}

/** FIPS 204, table 2; FIPS 205, table 2; RFC 8032. */
export const plainSchemes: Readonly<Record<PlainAlgorithm, PlainScheme>> = {
  'ML-DSA-44': mlDsa('ml-dsa-44', 1312, 2420),
  'ML-DSA-65': mlDsa('ml-dsa-65', 1952, 3309),
  'ML-DSA-87': mlDsa('ml-dsa-87', 2592, 4627),
  'SLH-DSA-SHA2-128s': {
    type: 'slh-dsa-sha2-128s',
    secretFormat: 'raw-private',
    hasContext: true,
    publicBytes: 32,
    secretBytes: 64,
    signatureBytes: 7856,
  },
  Ed25519: {
    type: 'ed25519',
    secretFormat: 'raw-private',
    hasContext: false,
    publicBytes: 32,
    secretBytes: 32,
    signatureBytes: 64,
  },
}

/** draft-ietf-jose-pq-composite-sigs-03, section 4. */
export const compositeSchemes: Readonly<Record<CompositeAlgorithm, CompositeScheme>> = {
  'ML-DSA-44-Ed25519': composite('ML-DSA-44', 'COMPSIG-MLDSA44-Ed25519-SHA512'),
  'ML-DSA-65-Ed25519': composite('ML-DSA-65', 'COMPSIG-MLDSA65-Ed25519-SHA512'),
}

function mlDsa(type: PlainScheme['type'], publicBytes: number, signatureBytes: number): PlainScheme {
  return { type, secretFormat: 'raw-seed', hasContext: true, publicBytes, secretBytes: 32, signatureBytes }
}

function composite(postQuantum: CompositeScheme['postQuantum'], label: string): CompositeScheme {
  const { publicBytes, secretBytes, signatureBytes } = plainSchemes[postQuantum]
  const classic = plainSchemes.Ed25519
  return {
    postQuantum,
    traditional: 'Ed25519',
    label,
    publicBytes: publicBytes + classic.publicBytes,
    secretBytes: secretBytes + classic.secretBytes,
    signatureBytes: signatureBytes + classic.signatureBytes,
  }
}

/** What a caller allows beyond the default. */
export interface AlgorithmOptions {
  /** Accept `ML-DSA-44-Ed25519` and `ML-DSA-65-Ed25519`. Default: false. */
  readonly composites?: boolean
}

/** Whether `alg` is a composite. */
export function isComposite(alg: SignatureAlgorithm): alg is CompositeAlgorithm {
  return Object.hasOwn(compositeSchemes, alg)
}

/** The sizes of `alg` in bytes. */
export function algorithmSizes(alg: SignatureAlgorithm): AlgorithmSizes {
  return isComposite(alg) ? compositeSchemes[alg] : plainSchemes[alg]
}

/**
 * Checks that `name` is a signature algorithm that `options` allow, and returns it.
 *
 * @throws {CryptoError} `QIP_CRYPTO_ALGORITHM_UNKNOWN` for any other name.
 * @throws {CryptoError} `QIP_CRYPTO_COMPOSITE_NOT_ALLOWED` for a composite without `composites: true`.
 */
export function parseSignatureAlgorithm(name: string, options: AlgorithmOptions = {}): SignatureAlgorithm {
  if (Object.hasOwn(plainSchemes, name)) return name as PlainAlgorithm
  if (!Object.hasOwn(compositeSchemes, name))
    throw new CryptoError('QIP_CRYPTO_ALGORITHM_UNKNOWN', { algorithm: name })
  if (options.composites !== true)
    throw new CryptoError('QIP_CRYPTO_COMPOSITE_NOT_ALLOWED', { algorithm: name })
  return name as CompositeAlgorithm
}
