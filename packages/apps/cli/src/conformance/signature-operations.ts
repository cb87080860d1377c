import { base64, type JsonObject } from '@quantum-ip/base'
import {
  CryptoError,
  jwkThumbprint,
  parseEnvelope,
  parsePrivateKey,
  parsePublicJwk,
  parsePublicKey,
  type PublicKey,
  verifyEnvelope,
  verifySignature,
} from '@quantum-ip/crypto'
import { verifyJws } from '@quantum-ip/token'
import type { Fields } from './fields.ts'

const mlDsaNames = ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87']
const compositeNames = ['ML-DSA-44-Ed25519', 'ML-DSA-65-Ed25519']

/** The algorithm of an operation, which is about some of them only. */
function algorithm(fields: Fields, names: readonly string[]): string {
  const alg = fields.text('alg')
  if (!names.includes(alg)) throw new CryptoError('QIP_CRYPTO_ALGORITHM_UNKNOWN', { algorithm: alg })
  return alg
}

/** `mldsa-keygen`: the public key of a seed (FIPS 204, section 3.6.3). */
export function mldsaKeygen(fields: Fields): JsonObject {
  const { publicKey } = parsePrivateKey(algorithm(fields, mlDsaNames), fields.bytes('seed'))
  return { publicKey: base64(publicKey.bytes) }
}

/** `mldsa-sign`: a hedged signature, which differs from call to call and holds each time (FIPS 204, section 3.4). */
export async function mldsaSign(fields: Fields): Promise<JsonObject> {
  const key = parsePrivateKey(algorithm(fields, mlDsaNames), fields.bytes('seed'))
  const context = fields.optionalBytes('context')
  const signature = await key.sign(fields.bytes('message'), { ...(context !== undefined && { context }) })
  return { signature: base64(signature) }
}

/** `mldsa-verify`. */
export async function mldsaVerify(fields: Fields): Promise<JsonObject> {
  const key = parsePublicKey(algorithm(fields, mlDsaNames), fields.bytes('publicKey'))
  return verify(fields, key)
}

/** `ed25519-verify`. */
export async function ed25519Verify(fields: Fields): Promise<JsonObject> {
  return verify(fields, parsePublicKey('Ed25519', fields.bytes('publicKey')))
}

/** `composite-verify`: both signatures must hold. */
export async function compositeVerify(fields: Fields): Promise<JsonObject> {
  const alg = algorithm(fields, compositeNames)
  return verify(fields, parsePublicKey(alg, fields.bytes('publicKey'), { composites: true }))
}

async function verify(fields: Fields, key: PublicKey): Promise<JsonObject> {
  await verifySignature({
    key,
    message: fields.bytes('message'),
    signature: fields.bytes('signature'),
    context: fields.optionalBytes('context'),
  })
  return {}
}

/** `jws-verify`: a compact JWS by the key that is given beside it; private members of the key are passed over. */
export async function jwsVerify(fields: Fields): Promise<JsonObject> {
  const { payload } = await verifyJws(fields.text('jws'), publicKeyOf(fields.json('jwk')))
  return { payload: base64(payload) }
}

/** `jwk-thumbprint`: RFC 7638, base64url. */
export function thumbprint(fields: Fields): JsonObject {
  return { thumbprint: jwkThumbprint(fields.json('jwk')) }
}

/** `dsse-verify`: `threshold` distinct keys out of `jwks` signed. */
export async function dsseVerify(fields: Fields): Promise<JsonObject> {
  const { payloadType, payload } = await verifyEnvelope({
    envelope: parseEnvelope(fields.document('envelope')),
    keys: fields.list('jwks').map((jwk) => publicKeyOf(jwk)),
    threshold: fields.count('threshold'),
  })
  return { payloadType, payload: base64(payload) }
}

function publicKeyOf(jwk: unknown): PublicKey {
  return parsePublicJwk(jwk, { privateMembers: 'ignore' })
}
