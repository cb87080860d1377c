import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { parsePrivateJwk, privateJwk, publicJwk } from './jwk.ts'
import { checkJwkUse, jwkBytes, jwkMembers, jwkString, malformed } from './lib/jwk-members.ts'
import { generatePrivateKey, type Signer } from './private-key.ts'
import { parseProofKey, type ProofAlgorithm, type ProofKey } from './proof-key.ts'

/** Something that proves to have a key: a key in memory, or custody that never lets it out. */
export interface ProofSigner {
  readonly key: ProofKey
  /** A signature over `message`, in the form of a JWS. */
  sign(message: Uint8Array): Promise<Uint8Array>
}

/**
 * Proves with a key of custody, or one in memory: ML-DSA-44 or Ed25519.
 *
 * @throws {CryptoError} `QIP_CRYPTO_ALGORITHM_UNKNOWN` for a key of another algorithm.
 */
export function proofSigner(signer: Signer): ProofSigner {
  return { key: parseProofKey(publicJwk(signer.publicKey)), sign: (message) => signer.sign(message) }
}

/**
 * Takes a private JWK to prove with: AKP with ML-DSA-44, OKP with Ed25519 or EC with P-256. The secret stays inside of OpenSSL.
 *
 * @throws {CryptoError} `QIP_CRYPTO_JWK_MALFORMED` for another key, or a public key that is not the secret's; as {@link parseProofKey} besides.
 */
export function parseProofSigner(jwk: unknown): ProofSigner {
  const members = jwkMembers(jwk)
  if (jwkString(members, 'kty') !== 'EC') return proofSigner(parsePrivateJwk(members))
  checkJwkUse(members, { refused: 'enc', operation: 'sign' })
  const { d: _, key_ops: __, ...rest } = members
  const key = parseProofKey(rest)
  if (jwkBytes(members, 'd').length !== 32) throw malformed('`d` has not 32 bytes')
  return new Es256Signer(key, importEc({ ...key.jwk, d: jwkString(members, 'd') }, key))
}

function importEc(jwk: object, stated: ProofKey): KeyObject {
  try {
    const object = createPrivateKey({ key: { ...jwk }, format: 'jwk' })
    const own = createPublicKey(object).export({ format: 'jwk' })
    if (parseProofKey(own).kid === stated.kid) return object
  } catch {
    throw malformed('it is not a key of P-256')
  }
  throw malformed('the public key is not that of the private one')
}

class Es256Signer implements ProofSigner {
  readonly key: ProofKey
  readonly #object: KeyObject

  constructor(key: ProofKey, object: KeyObject) {
    this.key = key
    this.#object = object
  }

  sign(message: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      sign('sha256', message, { key: this.#object, dsaEncoding: 'ieee-p1363' }, (error, signature) => {
        if (error === null) resolve(signature)
        else reject(error)
      })
    })
  }
}

/** Draws a new key to prove with, as a private JWK: to be written to a file that nobody else reads. */
export function generateProofJwk(alg: ProofAlgorithm): Readonly<Record<string, string>> {
  if (alg !== 'ES256') return { ...privateJwk(generatePrivateKey(alg)) }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = privateKey.export({ format: 'jwk' })
  const { kid } = parseProofKey({ kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y })
  return { ...(jwk as Record<string, string>), alg, kid }
}
