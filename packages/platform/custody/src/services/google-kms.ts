import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KeyManagementServiceClient, protos } from '@google-cloud/kms'
import type { PublicKey, SignatureAlgorithm } from '@quantum-ip/crypto'
import type { Custody, KeyOrder } from '../custody.ts'
import { externalMu } from './external-mu.ts'
import { type KeyService, serviceCustody, type ServiceKey } from './service-custody.ts'
import { type FailureKind, loadSdk, serviceFailure } from './service-failure.ts'
import { defaultPrefix, readReturnedKey } from './service-key.ts'

/**
 * Where and how Google Cloud KMS is used. Credentials are found as all Google programs find them: `GOOGLE_APPLICATION_CREDENTIALS`, the
 * account of the machine.
 */
export interface GoogleKmsOptions {
  /** `projects/…/locations/…/keyRings/…`: it is there already. */
  readonly keyRing: string
  /** Default `software`. */
  readonly protection?: 'software' | 'hsm' | undefined
  /** Another address than Google's: a private endpoint, `https://host:port`. */
  readonly endpoint?: string | undefined
  /** Keys are named `<prefix>-<purpose>-<random>`. Default `quantum-ip`. */
  readonly prefix?: string | undefined
  /** For one request, with what its repetitions take. Default 10,000. */
  readonly timeoutMs?: number | undefined
}

const packageName = '@google-cloud/kms'

/**
 * What a key is created as. μ is what ML-DSA keys sign there: messages then may have any length, and stay here. A key signs either messages or μ,
 * which its version says for good.
 */
const specs = {
  'ML-DSA-44': 'PQ_SIGN_ML_DSA_44_EXTERNAL_MU',
  'ML-DSA-65': 'PQ_SIGN_ML_DSA_65_EXTERNAL_MU',
  'ML-DSA-87': 'PQ_SIGN_ML_DSA_87_EXTERNAL_MU',
  Ed25519: 'EC_SIGN_ED25519',
} as const satisfies Partial<Record<SignatureAlgorithm, string>>

type GoogleAlgorithm = keyof typeof specs

const algorithms = Object.keys(specs) as readonly GoogleAlgorithm[]

/** Keys that somebody made by hand may sign messages instead of μ. */
const ofMessages: Readonly<Record<string, SignatureAlgorithm>> = {
  PQ_SIGN_ML_DSA_44: 'ML-DSA-44',
  PQ_SIGN_ML_DSA_65: 'ML-DSA-65',
  PQ_SIGN_ML_DSA_87: 'ML-DSA-87',
}

/** What `data` takes: 64 KiB are documented for other algorithms, and nothing else for these. */
const dataBytesMax = 65_536
const madeWithinMs = 60_000
const label = 'quantum-ip'

/** A key, and whether it signs μ. */
interface GoogleKey extends ServiceKey {
  readonly signsMu: boolean
}

/**
 * Custody at Google Cloud KMS: ML-DSA-44, -65, -87 and Ed25519.
 *
 * @throws {CustodyError} `QIP_CUSTODY_SDK_MISSING`
 */
export async function openGoogleKms(options: GoogleKmsOptions): Promise<Custody> {
  const { endpoint } = options
  const sdk = await loadSdk('Google Cloud KMS', packageName, () => import('@google-cloud/kms'))
  const url = endpoint === undefined ? undefined : new URL(endpoint)
  const client = new sdk.KeyManagementServiceClient({
    // HTTP/1.1 instead of gRPC: a handful of requests needs no connection of its own kind.
    fallback: true,
    ...(url !== undefined && {
      apiEndpoint: url.hostname,
      port: Number(url.port || (url.protocol === 'http:' ? 80 : 443)),
      protocol: url.protocol.slice(0, -1),
    }),
  })
  return serviceCustody(new GoogleKms(client, options))
}

class GoogleKms implements KeyService {
  readonly name: string
  readonly algorithms = algorithms
  readonly #client: KeyManagementServiceClient
  readonly #options: GoogleKmsOptions
  readonly #prefix: string
  readonly #call: { readonly timeout: number }

  constructor(client: KeyManagementServiceClient, options: GoogleKmsOptions) {
    this.name = `Google Cloud KMS, ${options.keyRing}`
    this.#client = client
    this.#options = options
    this.#prefix = `${options.prefix ?? defaultPrefix}-`
    this.#call = { timeout: options.timeoutMs ?? 10_000 }
  }

  async createKey({ alg, purpose }: KeyOrder): Promise<ServiceKey> {
    const protectionLevel = this.#options.protection === 'hsm' ? 'HSM' : 'SOFTWARE'
    const algorithm = specs[alg as GoogleAlgorithm]
    const request = {
      parent: this.#options.keyRing,
      cryptoKeyId: `${this.#prefix}${purpose}-${randomUUID()}`.slice(0, 63),
      cryptoKey: {
        purpose: 'ASYMMETRIC_SIGN',
        labels: { [label]: purpose },
        versionTemplate: { algorithm, protectionLevel },
      },
    } as const
    const [made] = await this.#ask('cryptoKeys.create', undefined, () =>
      this.#client.createCryptoKey(request, this.#call),
    )
    const id = `${made.name}/cryptoKeyVersions/1`
    await this.#enabled(id)
    const key = await this.#read(id, purpose)
    if (key?.publicKey.alg !== alg)
      throw serviceFailure('faulty', this.#about('cryptoKeys.create'), `it made no key of ${alg}`)
    return key
  }

  async keys(): Promise<readonly ServiceKey[]> {
    const request = { parent: this.#options.keyRing, filter: `labels.${label}:*` }
    const [all] = await this.#ask('cryptoKeys.list', undefined, () =>
      this.#client.listCryptoKeys(request, this.#call),
    )
    const found: GoogleKey[] = []
    for (const { name, labels } of all) {
      const short = name?.slice(name.lastIndexOf('/') + 1) ?? ''
      const purpose = labels?.[label]
      if (purpose === undefined || !short.startsWith(this.#prefix)) continue
      const key = await this.#read(`${name}/cryptoKeyVersions/1`, purpose)
      if (key !== undefined) found.push(key)
    }
    return found
  }

  async sign(key: ServiceKey, message: Uint8Array): Promise<Uint8Array> {
    const { id, publicKey } = key
    const { signsMu } = key as GoogleKey
    if (!signsMu && message.length > dataBytesMax) {
      const reason = `this key signs at most ${dataBytesMax} bytes`
      throw serviceFailure('refused', this.#about('asymmetricSign', publicKey.kid), reason)
    }
    const signed = signsMu ? { digest: { externalMu: externalMu(publicKey, message) } } : { data: message }
    const [{ signature }] = await this.#ask('cryptoKeyVersions.asymmetricSign', publicKey.kid, () =>
      this.#client.asymmetricSign({ name: id, ...signed }, this.#call),
    )
    return bytesOf(signature)
  }

  async destroyKey({ id, publicKey }: ServiceKey): Promise<void> {
    await this.#ask('cryptoKeyVersions.destroy', publicKey.kid, () =>
      this.#client.destroyCryptoKeyVersion({ name: id }, this.#call),
    )
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  /** A key is not there at once. */
  async #enabled(id: string): Promise<void> {
    const deadline = performance.now() + madeWithinMs
    for (let waitMs = 50; ; waitMs = Math.min(2_000, waitMs * 2)) {
      const [{ state }] = await this.#ask('cryptoKeyVersions.get', undefined, () =>
        this.#client.getCryptoKeyVersion({ name: id }, this.#call),
      )
      if (state === 'ENABLED') return
      if (state !== 'PENDING_GENERATION' || performance.now() > deadline) {
        throw serviceFailure('unavailable', this.#about('cryptoKeys.create'), `the new key is ${state}`)
      }
      await sleep(waitMs)
    }
  }

  /** `undefined` for a key that is not enabled, or of a kind that is not ours. */
  async #read(id: string, purpose: string): Promise<GoogleKey | undefined> {
    const operation = 'cryptoKeyVersions.getPublicKey'
    const get = (publicKeyFormat: 'NIST_PQC' | 'PEM') =>
      this.#ask(operation, undefined, () =>
        this.#client.getPublicKey({ name: id, publicKeyFormat }, this.#call),
      )
    const [version] = await this.#ask('cryptoKeyVersions.get', undefined, () =>
      this.#client.getCryptoKeyVersion({ name: id }, this.#call),
    )
    const algorithm = String(version.algorithm)
    const alg = algorithms.find((alg) => specs[alg] === algorithm) ?? ofMessages[algorithm]
    if (alg === undefined || version.state !== 'ENABLED') return undefined
    // Without a format that it asks for, the service refuses to give post-quantum keys out.
    const [answer] = await get(alg === 'Ed25519' ? 'PEM' : 'NIST_PQC')
    const publicKey = this.#publicKey(answer, alg)
    return { id, publicKey, purpose, signsMu: algorithm.endsWith('_EXTERNAL_MU') }
  }

  #publicKey({ pem, publicKey }: protos.google.cloud.kms.v1.IPublicKey, alg: SignatureAlgorithm): PublicKey {
    const about = this.#about('cryptoKeyVersions.getPublicKey')
    if (alg === 'Ed25519') return readReturnedKey({ pem: pem ?? '' }, alg, about)
    return readReturnedKey({ raw: bytesOf(publicKey?.data) }, alg, about)
  }

  async #ask<Answer>(
    operation: string,
    kid: string | undefined,
    send: () => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await send()
    } catch (cause) {
      const { message = '', code } = cause as { message?: string; code?: unknown }
      throw serviceFailure(kindOf(code, message), this.#about(operation, kid), message, cause)
    }
  }

  #about(operation: string, kid?: string): { service: string; operation: string; kid: string | undefined } {
    return { service: this.name, operation: `cloudkms.${operation}`, kid }
  }
}

// Codes of google.rpc.Code, which the client gives errors over HTTP, too.
const kinds: Readonly<Record<number, FailureKind>> = {
  3: 'refused',
  4: 'unavailable',
  5: 'refused',
  6: 'refused',
  7: 'denied',
  8: 'throttled',
  13: 'unavailable',
  14: 'unavailable',
  16: 'denied',
}

function kindOf(code: unknown, message: string): FailureKind {
  // FAILED_PRECONDITION: the version is disabled, or destroyed.
  if (code === 9) return 'disabled'
  const kind = typeof code === 'number' ? kinds[code] : undefined
  if (kind !== undefined) return kind
  return /credential|unauthenticated|invalid_grant/i.test(message) ? 'denied' : 'unavailable'
}

function bytesOf(value: Uint8Array | string | null | undefined): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'base64')
  return value ?? new Uint8Array()
}
