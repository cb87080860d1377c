import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from 'node:crypto'
import { base64, parseBase64 } from '@quantum-ip/base'
import { generatePrivateKey, type PublicKey, type SignatureAlgorithm } from '@quantum-ip/crypto'
import { protos } from '@google-cloud/kms'
import { type HeldKey, KeyStore } from './key-store.ts'
import { type LocalAnswer, type LocalRequest, type LocalServer, serveLocally } from './local-server.ts'
import { signMu } from './mu-signature.ts'

// What Google documents of the REST form of its API, as far as custody needs it.

const { v1 } = protos.google.cloud.kms

/** A local server that speaks the API of Google Cloud KMS, with what is behind it. */
export interface LocalGoogleKms extends LocalServer {
  readonly store: KeyStore
  /** Of a service account that the server knows: the text of its file. */
  readonly credentials: string
}

export const keyRing = 'projects/acme/locations/europe-west3/keyRings/quantum-ip'

const algorithms: Readonly<Record<string, SignatureAlgorithm>> = {
  PQ_SIGN_ML_DSA_44: 'ML-DSA-44',
  PQ_SIGN_ML_DSA_65: 'ML-DSA-65',
  PQ_SIGN_ML_DSA_87: 'ML-DSA-87',
  PQ_SIGN_ML_DSA_44_EXTERNAL_MU: 'ML-DSA-44',
  PQ_SIGN_ML_DSA_65_EXTERNAL_MU: 'ML-DSA-65',
  PQ_SIGN_ML_DSA_87_EXTERNAL_MU: 'ML-DSA-87',
  EC_SIGN_ED25519: 'Ed25519',
}

export async function openLocalGoogleKms(): Promise<LocalGoogleKms> {
  const account = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const behind = { store: new KeyStore() }
  const server = await serveLocally((request) => answer(behind.store, account.publicKey, request))
  const credentials = JSON.stringify({
    type: 'service_account',
    project_id: 'acme',
    private_key_id: 'test',
    private_key: account.privateKey.export({ format: 'pem', type: 'pkcs8' }),
    client_email: 'qip@acme.iam.gserviceaccount.com',
    token_uri: `${server.url}/token`,
  })
  return { ...behind, credentials, ...server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

function refusal(status: number, code: string, message = 'as the test wants it'): LocalAnswer {
  return { status, json: { error: { code: status, message, status: code } } }
}

function ok(json: unknown): LocalAnswer {
  return { status: 200, json }
}

/** Whether the bearer is a JWT that the service account signed, or the token that it was given for one. */
function isAuthentic(authorization: string | undefined, account: KeyObject): boolean {
  if (authorization === 'Bearer ya29.test') return true
  const [, head = '', signature = ''] = /^Bearer ([\w-]+\.[\w-]+)\.([\w-]+)$/.exec(authorization ?? '') ?? []
  return verify('sha256', Buffer.from(head), account, Buffer.from(signature, 'base64url'))
}

async function answer(store: KeyStore, account: KeyObject, request: LocalRequest): Promise<LocalAnswer> {
  const { method, url, headers, body } = request
  if (url.pathname === '/token')
    return ok({ access_token: 'ya29.test', expires_in: 3_600, token_type: 'Bearer' })
  const path = decodeURIComponent(url.pathname).replace('/v1/', '')
  const [, name = '', rest = ''] =
    new RegExp(`^${keyRing}/cryptoKeys(?:/([\\w-]+)(/cryptoKeyVersions/1.*)?)?$`).exec(path) ?? []
  const action =
    rest.replace('/cryptoKeyVersions/1', '').replace(/^[:/]/, '') ||
    (name === '' ? (method === 'POST' ? 'create' : 'list') : 'get')
  store.requests.push({ operation: action, body })
  if (!isAuthentic(headers.authorization, account)) return refusal(401, 'UNAUTHENTICATED')
  if (store.trouble === 'throttled') return refusal(429, 'RESOURCE_EXHAUSTED')
  if (store.trouble === 'denied') return refusal(403, 'PERMISSION_DENIED')
  if (store.trouble === 'broken') return refusal(500, 'INTERNAL')
  if (store.trouble === 'throttled once') {
    store.trouble = undefined
    return refusal(503, 'UNAVAILABLE')
  }
  if (store.trouble === 'silent') return undefined
  if (action === 'create') return create(store, url, body)
  if (action === 'list') return ok({ cryptoKeys: [...store.keys.values()].map((held) => keyJson(held)) })
  const held = store.keys.get(name)
  if (held === undefined) return refusal(404, 'NOT_FOUND')
  return act(store, held, { action, url, body })
}

function keyJson({ id, labels }: HeldKey): object {
  return { name: `${keyRing}/cryptoKeys/${id}`, purpose: 'ASYMMETRIC_SIGN', labels }
}

function versionJson({ id, state, spec }: HeldKey): object {
  return { name: `${keyRing}/cryptoKeys/${id}/cryptoKeyVersions/1`, state, algorithm: spec }
}

function create(store: KeyStore, url: URL, body: LocalRequest['body']): LocalAnswer {
  const { purpose, labels, versionTemplate } = body as {
    purpose: number
    labels: Record<string, string>
    versionTemplate: { algorithm: number }
  }
  // The client sends enumerations as the numbers of the service's own definitions.
  const algorithm = v1.CryptoKeyVersion.CryptoKeyVersionAlgorithm[versionTemplate.algorithm] ?? ''
  const alg = algorithms[algorithm]
  const id = url.searchParams.get('cryptoKeyId') ?? ''
  if (
    alg === undefined ||
    v1.CryptoKey.CryptoKeyPurpose[purpose] !== 'ASYMMETRIC_SIGN' ||
    !/^[a-zA-Z0-9_-]{1,63}$/.test(id)
  ) {
    return refusal(400, 'INVALID_ARGUMENT')
  }
  const held = store.create(alg, algorithm, labels, id)
  held.state = 'PENDING_GENERATION'
  return ok(keyJson(held))
}

async function act(
  store: KeyStore,
  held: HeldKey,
  { action, url, body }: { readonly action: string; readonly url: URL; readonly body: LocalRequest['body'] },
): Promise<LocalAnswer> {
  if (action === 'get') {
    const shown = versionJson(held)
    if (held.state === 'PENDING_GENERATION') held.state = 'ENABLED'
    return ok(shown)
  }
  if (action === 'destroy') {
    held.state = 'DESTROY_SCHEDULED'
    return ok(versionJson(held))
  }
  if (held.state !== 'ENABLED') return refusal(400, 'FAILED_PRECONDITION', `the version is ${held.state}`)
  return action === 'publicKey'
    ? publicKey(store, held, url.searchParams.get('publicKeyFormat'))
    : sign(store, held, body)
}

function publicKey(store: KeyStore, { id, key, spec }: HeldKey, format: string | null): LocalAnswer {
  const given =
    store.trouble === 'wrong key' ? generatePrivateKey(key.publicKey.alg).publicKey : key.publicKey
  const common = {
    name: `${keyRing}/cryptoKeys/${id}/cryptoKeyVersions/1`,
    algorithm: spec,
    publicKeyFormat: Number(format),
  }
  if (spec === 'EC_SIGN_ED25519') return ok({ ...common, pem: pemOf(given) })
  if (v1.PublicKey.PublicKeyFormat[Number(format)] !== 'NIST_PQC')
    return refusal(400, 'INVALID_ARGUMENT', 'the format must be NIST_PQC')
  return ok({ ...common, publicKey: { data: base64(given.bytes) } })
}

async function sign(
  store: KeyStore,
  { key, spec }: HeldKey,
  body: LocalRequest['body'],
): Promise<LocalAnswer> {
  const { digest, data } = body as { digest?: { externalMu?: string }; data?: string }
  const mu = digest?.externalMu
  if ((mu === undefined) === spec.endsWith('_EXTERNAL_MU')) return refusal(400, 'INVALID_ARGUMENT')
  const signature = mu === undefined ? await key.sign(parseBase64(data ?? '')) : signMu(key, parseBase64(mu))
  if (store.trouble === 'wrong signature') signature[50] = (signature[50] ?? 0) ^ 1
  return ok({ signature: base64(signature), name: 'x' })
}

function pemOf({ bytes }: PublicKey): string {
  const key = createPublicKey({ key: Buffer.from(bytes), format: 'raw-public', asymmetricKeyType: 'ed25519' })
  return key.export({ format: 'pem', type: 'spki' })
}
