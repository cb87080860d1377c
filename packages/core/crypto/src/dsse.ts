import { isQipError } from '@quantum-ip/base'
import { algorithmSizes } from './algorithms.ts'
import { CryptoError } from './crypto-errors.ts'
import { type Envelope, type EnvelopeSignature, pae } from './envelope.ts'
import type { Signer } from './private-key.ts'
import type { PublicKey } from './public-key.ts'
import { signVerified, verifySignature } from './signature.ts'

/** What {@link signEnvelope} signs. */
export interface EnvelopeToSign {
  readonly payloadType: string
  readonly payload: Uint8Array
  /** At least one; each adds a signature. Hybrid is two signers of two algorithms. */
  readonly signers: readonly Signer[]
}

/**
 * Signs a payload with every signer and checks each signature before it is returned. `keyid` is the signer's `kid`.
 *
 * @throws {CryptoError} `QIP_CRYPTO_SIGNER_FAULTY` if a new signature does not hold.
 * @throws {TypeError} if there is no signer.
 */
export async function signEnvelope({ payloadType, payload, signers }: EnvelopeToSign): Promise<Envelope> {
  if (signers.length === 0) throw new TypeError('an envelope needs a signer')
  const message = pae(payloadType, payload)
  const signatures = await Promise.all(
    signers.map(async (signer) => ({
      keyid: signer.publicKey.kid,
      sig: await signVerified(signer, message),
    })),
  )
  return { payload, payloadType, signatures }
}

/** What {@link verifyEnvelope} checks, and against which keys. */
export interface EnvelopeToVerify {
  readonly envelope: Envelope
  /** The keys that may sign; equal keys count once. At most 64. */
  readonly keys: readonly PublicKey[]
  /** How many distinct keys must have signed: 1 to the number of `keys`. */
  readonly threshold: number
  /** The only payload type to accept. */
  readonly payloadType?: string
}

/** What an envelope proves. */
export interface VerifiedEnvelope {
  /** The very bytes that were signed. */
  readonly payload: Uint8Array
  readonly payloadType: string
  /** The distinct keys that signed, in the order of the keys given; at least `threshold`. */
  readonly keys: readonly PublicKey[]
}

/**
 * Checks an envelope: at least `threshold` distinct keys out of `keys` signed payload type and payload
 * (DSSE 1.0.2, protocol, "Verification": distinct keys are counted, never key IDs or signatures).
 *
 * Signatures by others do no harm. `keyid` only says which key to try first.
 *
 * @throws {CryptoError} `QIP_CRYPTO_ENVELOPE_TYPE_MISMATCH` for another payload type than the one asked for.
 * @throws {CryptoError} `QIP_CRYPTO_ENVELOPE_THRESHOLD_MISSED` if fewer keys signed.
 * @throws {CryptoError} `QIP_CRYPTO_ENVELOPE_POLICY_INVALID` for a threshold below 1, or more than 64 keys.
 */
export async function verifyEnvelope(input: EnvelopeToVerify): Promise<VerifiedEnvelope> {
  const { envelope, threshold, payloadType } = input
  const keys = distinctKeys(input.keys)
  // A threshold of zero would accept an envelope that nobody signed.
  if (!Number.isInteger(threshold) || threshold < 1)
    throw policyInvalid('a threshold is a whole number from 1 on')
  if (keys.length > keysMax) throw policyInvalid(`more than ${keysMax} keys`)
  if (payloadType !== undefined && envelope.payloadType !== payloadType) {
    throw new CryptoError('QIP_CRYPTO_ENVELOPE_TYPE_MISMATCH', { expected: payloadType })
  }
  const message = pae(envelope.payloadType, envelope.payload)
  const signed = new Set<PublicKey>()
  await Promise.all(
    envelope.signatures.map(async (signature) => {
      const key = await findSigner({ signature, message, keys })
      if (key !== undefined) signed.add(key)
    }),
  )
  if (signed.size < threshold) {
    throw new CryptoError('QIP_CRYPTO_ENVELOPE_THRESHOLD_MISSED', { threshold, signed: signed.size })
  }
  return {
    payload: envelope.payload,
    payloadType: envelope.payloadType,
    keys: keys.filter((key) => signed.has(key)),
  }
}

const keysMax = 64

interface SignerSearch {
  readonly signature: EnvelopeSignature
  readonly message: Uint8Array
  readonly keys: readonly PublicKey[]
}

async function findSigner({ signature, message, keys }: SignerSearch): Promise<PublicKey | undefined> {
  // The length gives most candidates away, the hint the rest: one verification for each honest signature.
  const candidates = keys.filter((key) => algorithmSizes(key.alg).signatureBytes === signature.sig.length)
  candidates.sort((a, b) => Number(b.kid === signature.keyid) - Number(a.kid === signature.keyid))
  for (const key of candidates) {
    if (await holds(key, message, signature.sig)) return key
  }
  return undefined
}

async function holds(key: PublicKey, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  try {
    await verifySignature({ key, message, signature })
    return true
  } catch (error) {
    if (isQipError(error, 'QIP_CRYPTO_SIGNATURE_INVALID')) return false
    throw error
  }
}

// By thumbprint, hence by algorithm and bytes: two objects for one key are one signer.
function distinctKeys(keys: readonly PublicKey[]): readonly PublicKey[] {
  return [...new Map(keys.map((key) => [key.kid, key])).values()]
}

function policyInvalid(reason: string): CryptoError {
  return new CryptoError('QIP_CRYPTO_ENVELOPE_POLICY_INVALID', { reason })
}
