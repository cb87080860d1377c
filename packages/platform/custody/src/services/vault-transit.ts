import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { base64, isQipError, type Json, type JsonObject, parseBase64, parseJson } from '@quantum-ip/base'
import type { PublicKey, SignatureAlgorithm } from '@quantum-ip/crypto'
import { Agent, request as send } from 'undici'
import type { Custody, KeyOrder } from '../custody.ts'
import { type KeyService, serviceCustody, type ServiceKey } from './service-custody.ts'
import { type FailureKind, serviceFailure } from './service-failure.ts'
import { defaultPrefix, readReturnedKey } from './service-key.ts'

/** Where and how the transit engine of a Vault is used. */
export interface VaultOptions {
  /** `https://vault.example:8200` */
  readonly url: string
  /** A file with the token, read for every request: an agent beside renews it. */
  readonly tokenFile: string
  /** Where the engine is mounted. Default `transit`. */
  readonly mount?: string | undefined
  readonly namespace?: string | undefined
  /** PEM certificates to trust for the address; absent: those of the system. */
  readonly caFile?: string | undefined
  /** Keys are named `<prefix>.<purpose>.<random>`. Default `quantum-ip`. */
  readonly prefix?: string | undefined
  /** For one request. Default 10,000. */
  readonly timeoutMs?: number | undefined
}

/** What a key is created as. */
const types = {
  'ML-DSA-44': { type: 'ml-dsa', parameter_set: '44' },
  'ML-DSA-65': { type: 'ml-dsa', parameter_set: '65' },
  'ML-DSA-87': { type: 'ml-dsa', parameter_set: '87' },
  Ed25519: { type: 'ed25519' },
} as const satisfies Partial<Record<SignatureAlgorithm, JsonObject>>

type VaultAlgorithm = keyof typeof types

const algorithms = Object.keys(types) as readonly VaultAlgorithm[]

const answerBytesMax = 1_048_576
const attempts = 4
const firstWaitMs = 200

/**
 * Custody in the transit engine of HashiCorp Vault Enterprise 1.19 and later: ML-DSA-44, -65, -87 and Ed25519. OpenBao speaks the same API and has
 * Ed25519 alone, as far as was seen; it refuses the others, and says so. There is no client of Vault's makers for JavaScript: this is its HTTP API.
 */
export async function openVaultTransit(options: VaultOptions): Promise<Custody> {
  const ca = options.caFile === undefined ? undefined : await readFile(options.caFile, 'utf8')
  return serviceCustody(new VaultTransit(options, new Agent(ca === undefined ? {} : { connect: { ca } })))
}

class VaultTransit implements KeyService {
  readonly algorithms = algorithms
  readonly name: string
  readonly #options: VaultOptions
  readonly #agent: Agent
  readonly #mount: string
  readonly #prefix: string

  constructor(options: VaultOptions, agent: Agent) {
    this.name = `Vault at ${options.url}`
    this.#options = options
    this.#agent = agent
    this.#mount = options.mount ?? 'transit'
    this.#prefix = `${options.prefix ?? defaultPrefix}.`
  }

  async createKey({ alg, purpose }: KeyOrder): Promise<ServiceKey> {
    const id = `${this.#prefix}${purpose}.${randomUUID()}`
    await this.#ask('POST', `keys/${id}`, { json: types[alg as VaultAlgorithm] })
    const publicKey = await this.#publicKey(id)
    if (publicKey?.alg !== alg)
      throw serviceFailure('faulty', this.#about('read', id), `it made no key of ${alg}`)
    return { id, publicKey, purpose }
  }

  async keys(): Promise<readonly ServiceKey[]> {
    // 404: there is none.
    const data = await this.#ask('GET', 'keys?list=true', { absent: {} })
    const names = Array.isArray(data['keys']) ? data['keys'] : []
    const found: ServiceKey[] = []
    for (const id of names) {
      if (typeof id !== 'string' || !id.startsWith(this.#prefix)) continue
      const [purpose = ''] = id.slice(this.#prefix.length).split('.')
      const publicKey = await this.#publicKey(id)
      if (publicKey !== undefined) found.push({ id, publicKey, purpose })
    }
    return found
  }

  async sign({ id, publicKey }: ServiceKey, message: Uint8Array): Promise<Uint8Array> {
    const json = { input: base64(message), key_version: 1 }
    const { signature } = await this.#ask('POST', `sign/${id}`, { json, kid: publicKey.kid })
    // vault:v1:…, the version of the key in the middle
    const [, text] =
      /^vault:v1:([A-Za-z0-9+/]+=*)$/.exec(typeof signature === 'string' ? signature : '') ?? []
    if (text === undefined)
      throw serviceFailure('faulty', this.#about(`sign/${id}`), 'it is no signature of version 1 of the key')
    return parseBase64(text)
  }

  async destroyKey({ id }: ServiceKey): Promise<void> {
    await this.#ask('POST', `keys/${id}/config`, { json: { deletion_allowed: true } })
    await this.#ask('DELETE', `keys/${id}`)
  }

  async close(): Promise<void> {
    await this.#agent.close()
  }

  /** `undefined` for a key of a kind that is not ours. */
  async #publicKey(id: string): Promise<PublicKey | undefined> {
    const { type, parameter_set: set, keys } = await this.#ask('GET', `keys/${id}`)
    const alg = algorithms.find(
      (alg) =>
        types[alg].type === type &&
        (type === 'ed25519' || (typeof set === 'string' && alg === `ML-DSA-${set}`)),
    )
    if (alg === undefined) return undefined
    const version = isObject(keys) ? keys['1'] : undefined
    const text = isObject(version) ? version['public_key'] : undefined
    if (typeof text !== 'string')
      throw serviceFailure('faulty', this.#about(`keys/${id}`), 'it has no public key')
    return readReturnedKey(
      text.includes('-----BEGIN') ? { pem: text } : { raw: parseBase64(text) },
      alg,
      this.#about(`keys/${id}`),
    )
  }

  /** The `data` of the answer. Throttled requests, and those that a standby or restart refused, are sent again. */
  async #ask(method: 'GET' | 'POST' | 'DELETE', path: string, options: AskOptions = {}): Promise<JsonObject> {
    for (let attempt = 1; ; attempt++) {
      const { status, body } = await this.#send(method, path, options)
      if (status < 300) return isObject(body) && isObject(body['data']) ? body['data'] : {}
      if (status === 404 && options.absent !== undefined) return options.absent
      const kind = kindOf(status, body)
      if ((kind === 'throttled' || kind === 'unavailable') && attempt < attempts) {
        await new Promise((resolve) => setTimeout(resolve, firstWaitMs * 2 ** (attempt - 1)))
        continue
      }
      throw serviceFailure(
        kind,
        this.#about(`${method} ${path}`, undefined, options.kid),
        reasonOf(status, body),
      )
    }
  }

  async #send(method: 'GET' | 'POST' | 'DELETE', path: string, { json }: AskOptions): Promise<Answer> {
    const { url, tokenFile, namespace, timeoutMs = 10_000 } = this.#options
    const about = this.#about(`${method} ${path}`)
    try {
      const token = (await readFile(tokenFile, 'utf8')).trim()
      const answer = await send(`${url}/v1/${this.#mount}/${path}`, {
        method,
        dispatcher: this.#agent,
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          'x-vault-token': token,
          'x-vault-request': 'true',
          ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
          ...(json !== undefined && { 'content-type': 'application/json' }),
        },
        ...(json !== undefined && { body: JSON.stringify(json) }),
      })
      const text = await readUpTo(answerBytesMax, answer.body)
      if (text === undefined) throw serviceFailure('faulty', about, 'the answer is too long')
      return { status: answer.statusCode, body: text === '' ? null : parseJson(text) }
    } catch (cause) {
      if (isQipError(cause)) throw cause
      throw serviceFailure('unavailable', about, (cause as Error).message, cause)
    }
  }

  #about(
    operation: string,
    id?: string,
    kid?: string,
  ): { service: string; operation: string; kid: string | undefined } {
    return { service: this.name, operation: id === undefined ? operation : `${operation} ${id}`, kid }
  }
}

interface AskOptions {
  readonly json?: JsonObject
  /** What stands for the answer where there is nothing. */
  readonly absent?: JsonObject
  readonly kid?: string
}

interface Answer {
  readonly status: number
  readonly body: Json
}

/** `undefined` if there is more: it is not read, and the connection ends. */
async function readUpTo(bytesMax: number, body: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    // Leaving the loop destroys the body.
    if (size > bytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function kindOf(status: number, body: Json): FailureKind {
  if (status === 403 || status === 401) return 'denied'
  if (status === 429) return 'throttled'
  // 472 and 473 are standbys, 503 is sealed.
  if (status >= 500 || status === 412 || status === 472 || status === 473) return 'unavailable'
  return /soft.?deleted|disabled|minimum/i.test(reasonOf(status, body)) ? 'disabled' : 'refused'
}

function reasonOf(status: number, body: Json): string {
  const errors = isObject(body) && Array.isArray(body['errors']) ? body['errors'] : []
  return errors.length === 0 ? `status ${status}` : errors.map(String).join('; ')
}

function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
