import { base64, parseBase64 } from '@quantum-ip/base'
import { generatePrivateKey, type SignatureAlgorithm } from '@quantum-ip/crypto'
import { type HeldKey, KeyStore } from './key-store.ts'
import { type LocalAnswer, type LocalRequest, type LocalServer, serveLocally } from './local-server.ts'

// What HashiCorp documents of the transit engine's HTTP API, as far as custody needs it.

/** A local server that speaks the API of Vault's transit engine, with what is behind it. */
export interface LocalVault extends LocalServer {
  readonly store: KeyStore
  /** An engine without ML-DSA. */
  isOpenBao: boolean
  token: string
}

export async function openLocalVault(): Promise<LocalVault> {
  const behind = { store: new KeyStore(), isOpenBao: false, token: 'hvs.test' }
  const server = await serveLocally((request) => answer(behind, request))
  return Object.assign(behind, {
    url: server.url,
    port: server.port,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  })
}

type Behind = Pick<LocalVault, 'store' | 'isOpenBao' | 'token'>

function refusal(status: number, ...errors: string[]): LocalAnswer {
  return { status, json: { errors } }
}

async function answer(behind: Behind, request: LocalRequest): Promise<LocalAnswer> {
  const { store, token } = behind
  const { method, url, headers, body } = request
  const [, kind = '', name = '', more] =
    /^\/v1\/transit\/(keys|sign)(?:\/([\w.-]+)(?:\/(config))?)?$/.exec(url.pathname) ?? []
  store.requests.push({ operation: `${method} ${kind}${more === undefined ? '' : `/${more}`}`, body })
  if (headers['x-vault-token'] !== token) return refusal(403, 'permission denied')
  if (store.trouble === 'throttled once') {
    store.trouble = undefined
    return refusal(429, 'request path "transit/sign": rate limit quota exceeded')
  }
  if (store.trouble === 'throttled') return refusal(429, 'rate limit quota exceeded')
  if (store.trouble === 'denied') return refusal(403, '1 error occurred: * permission denied')
  if (store.trouble === 'broken') return refusal(503, 'Vault is sealed')
  if (store.trouble === 'silent') return undefined
  if (url.searchParams.get('list') === 'true') return list(store)
  if (kind === 'keys' && method === 'POST' && more === undefined) return create(behind, name, body)
  const held = store.keys.get(name)
  if (held === undefined) return refusal(404)
  if (kind === 'sign') return sign(store, held, body)
  if (method === 'GET') return read(store, held)
  if (more === 'config') {
    if (body['deletion_allowed'] === true) held.state = 'DELETABLE'
    return { status: 200, json: { data: {} } }
  }
  if (held.state !== 'DELETABLE') return refusal(400, 'deletion is not allowed for this key')
  store.keys.delete(name)
  return { status: 204, json: undefined }
}

function list({ keys }: KeyStore): LocalAnswer {
  return keys.size === 0
    ? refusal(404)
    : { status: 200, json: { data: { keys: [...keys.keys(), 'of-somebody-else'] } } }
}

function create({ store, isOpenBao }: Behind, name: string, body: LocalRequest['body']): LocalAnswer {
  const { type, parameter_set: set } = body as { type: string; parameter_set?: string }
  if (type === 'ml-dsa' && isOpenBao) return refusal(400, 'unknown key type ml-dsa')
  const alg = (type === 'ed25519' ? 'Ed25519' : `ML-DSA-${set}`) as SignatureAlgorithm
  store.create(alg, type, { set: set ?? '' }, name)
  return { status: 200, json: { data: { name, type } } }
}

function read(store: KeyStore, { id, key, spec, labels }: HeldKey): LocalAnswer {
  const { bytes } =
    store.trouble === 'wrong key' ? generatePrivateKey(key.publicKey.alg).publicKey : key.publicKey
  const keys = { '1': { public_key: base64(bytes), creation_time: '2026-11-22T00:00:00Z' } }
  return {
    status: 200,
    json: {
      data: {
        name: id,
        type: spec,
        ...(spec === 'ml-dsa' && { parameter_set: labels['set'] }),
        keys,
        latest_version: 1,
      },
    },
  }
}

async function sign(
  store: KeyStore,
  { key, state }: HeldKey,
  { input }: LocalRequest['body'],
): Promise<LocalAnswer> {
  if (state === 'SOFT DELETED') return refusal(400, 'the key has been soft deleted')
  const signature = await key.sign(parseBase64(String(input)))
  if (store.trouble === 'wrong signature') signature[50] = (signature[50] ?? 0) ^ 1
  return { status: 200, json: { data: { signature: `vault:v1:${base64(signature)}`, key_version: 1 } } }
}
