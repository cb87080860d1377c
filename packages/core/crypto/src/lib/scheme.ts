import { type KeyObject, sign, verify } from 'node:crypto'
import { type PlainAlgorithm, plainSchemes } from '../algorithms.ts'
import { CryptoError } from '../crypto-errors.ts'

/** One key of a scheme that OpenSSL knows. */
export interface PlainKeyObject {
  readonly alg: PlainAlgorithm
  readonly object: KeyObject
}

/** One signature of one scheme: what is signed, and by which key. */
export interface PlainSigning {
  readonly key: PlainKeyObject
  readonly message: Uint8Array
  /** Empty where absent. */
  readonly context?: Uint8Array | undefined
}

/** One signature of one scheme to check. */
export interface PlainChecking extends PlainSigning {
  readonly signature: Uint8Array
}

const contextBytesMax = 255

/** Signs on the thread pool: ML-DSA takes 0.4 to 4 ms, SLH-DSA a quarter of a second. */
export function signPlain({ key, message, context }: PlainSigning): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    sign(null, message, withContext(key, context), (error, signature) => {
      if (error === null) resolve(signature)
      else reject(error)
    })
  })
}

/** Whether a signature holds. Found out on the thread pool, 0.1 to 0.3 ms, but for Ed25519: 0.08 ms, as much as the way there. */
export async function checkPlain(checking: PlainChecking): Promise<boolean> {
  if (checking.key.alg === 'Ed25519') return checkPlainSync(checking)
  const { key, message, context, signature } = checking
  return new Promise((resolve, reject) => {
    verify(null, message, withContext(key, context), signature, (error, holds) => {
      if (error === null) resolve(holds)
      else reject(error)
    })
  })
}

/** Whether a signature holds, found out on the calling thread. */
export function checkPlainSync({ key, message, context, signature }: PlainChecking): boolean {
  return verify(null, message, withContext(key, context), signature)
}

function withContext({ alg, object }: PlainKeyObject, context: Uint8Array | undefined) {
  if (context === undefined || context.length === 0) return { key: object }
  // Node hands OpenSSL no context for Ed25519 and does not say so: the signature would not bind what it seems to.
  if (!plainSchemes[alg].hasContext) {
    throw new CryptoError('QIP_CRYPTO_CONTEXT_REFUSED', {
      algorithm: alg,
      reason: 'it has no context strings',
    })
  }
  if (context.length > contextBytesMax) {
    const reason = `${context.length} bytes, and ${contextBytesMax} are the most`
    throw new CryptoError('QIP_CRYPTO_CONTEXT_REFUSED', { algorithm: alg, reason })
  }
  return { key: object, context }
}
