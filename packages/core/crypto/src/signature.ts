import { algorithmSizes, isComposite } from './algorithms.ts'
import { compositeMessage, splitCompositeSignature } from './lib/composite.ts'
import { CryptoError } from './crypto-errors.ts'
import type { Signer } from './private-key.ts'
import { type PublicKey, publicKeyObjects } from './public-key.ts'
import { checkPlain, checkPlainSync, type PlainChecking, type PlainKeyObject } from './lib/scheme.ts'

/** A signature to check: nothing in it says which key or algorithm to trust, `key` does. */
export interface SignatureToVerify {
  readonly key: PublicKey
  readonly message: Uint8Array
  readonly signature: Uint8Array
  /** The context string that was signed with, empty by default. */
  readonly context?: Uint8Array | undefined
}

/**
 * Checks a signature on the thread pool. Of a composite both parts must hold.
 *
 * @throws {CryptoError} `QIP_CRYPTO_SIGNATURE_INVALID` unless it holds; a wrong length is no different.
 * @throws {CryptoError} `QIP_CRYPTO_CONTEXT_REFUSED` if the context is too long or the algorithm has none.
 */
export async function verifySignature(input: SignatureToVerify): Promise<void> {
  const checks = checksOf(input)
  if (checks === undefined) throw invalid(input.key)
  const held = await Promise.all(checks.map((check) => checkPlain(check)))
  if (!held.every(Boolean)) throw invalid(input.key)
}

/**
 * Checks a signature on the calling thread: 0.1 to 0.3 ms. For start-up and command lines; servers use
 * {@link verifySignature}.
 *
 * @throws {CryptoError} `QIP_CRYPTO_SIGNATURE_INVALID` unless it holds; a wrong length is no different.
 * @throws {CryptoError} `QIP_CRYPTO_CONTEXT_REFUSED` if the context is too long or the algorithm has none.
 */
export function verifySignatureSync(input: SignatureToVerify): void {
  const checks = checksOf(input)
  if (checks === undefined || !checks.every((check) => checkPlainSync(check))) throw invalid(input.key)
}

/**
 * Signs and checks the signature before anybody sees it, so that a fault in memory or in custody never
 * publishes a signature that gives the key away or that nobody can verify. For long-lived signatures.
 *
 * @throws {CryptoError} `QIP_CRYPTO_SIGNER_FAULTY` if the new signature does not hold.
 */
export async function signVerified(signer: Signer, message: Uint8Array): Promise<Uint8Array> {
  const { publicKey } = signer
  const signature = await signer.sign(message)
  try {
    await verifySignature({ key: publicKey, message, signature })
  } catch (cause) {
    throw new CryptoError(
      'QIP_CRYPTO_SIGNER_FAULTY',
      { algorithm: publicKey.alg, kid: publicKey.kid },
      { cause },
    )
  }
  return signature
}

// The checks that must all hold, or `undefined` where the length alone settles it.
function checksOf({
  key,
  message,
  signature,
  context,
}: SignatureToVerify): readonly PlainChecking[] | undefined {
  const { alg } = key
  const [first, second] = publicKeyObjects(key) as [PlainKeyObject, PlainKeyObject?]
  if (!isComposite(alg) || second === undefined) {
    return hasLength() ? [{ key: first, message, context, signature }] : undefined
  }
  if (context !== undefined && context.length > 0) {
    throw new CryptoError('QIP_CRYPTO_CONTEXT_REFUSED', {
      algorithm: alg,
      reason: 'its context is always empty',
    })
  }
  if (!hasLength()) return undefined
  const composed = compositeMessage(alg, message)
  const [postQuantum, traditional] = splitCompositeSignature(alg, signature)
  return [
    { key: first, ...composed, signature: postQuantum },
    { key: second, message: composed.message, signature: traditional },
  ]

  function hasLength(): boolean {
    return signature.length === algorithmSizes(alg).signatureBytes
  }
}

function invalid({ alg, kid }: PublicKey): CryptoError {
  return new CryptoError('QIP_CRYPTO_SIGNATURE_INVALID', { algorithm: alg, kid })
}
