import type { KMSClient, KMSClientConfig } from '@aws-sdk/client-kms'
import { isQipError } from '@quantum-ip/base'
import type { SignatureAlgorithm } from '@quantum-ip/crypto'
import type { Custody, KeyOrder } from '../custody.ts'
import { externalMu } from './external-mu.ts'
import { type KeyService, serviceCustody, type ServiceKey } from './service-custody.ts'
import { type FailureKind, loadSdk, serviceFailure } from './service-failure.ts'
import { defaultPrefix, readReturnedKey } from './service-key.ts'

/** Where and how AWS KMS is used. Credentials are found as all AWS programs find them: environment, profile, role of the machine. */
export interface AwsKmsOptions {
  readonly region: string
  /** Another address than that of the region: a VPC endpoint. */
  readonly endpoint?: string | undefined
  /** Aliases are `alias/<prefix>/<purpose>/<thumbprint>`. Default `quantum-ip`. */
  readonly prefix?: string | undefined
  /** For one request, with what its repetitions take. Default 10,000. */
  readonly timeoutMs?: number | undefined
}

const packageName = '@aws-sdk/client-kms'

const specs = {
  'ML-DSA-44': 'ML_DSA_44',
  'ML-DSA-65': 'ML_DSA_65',
  'ML-DSA-87': 'ML_DSA_87',
  Ed25519: 'ECC_NIST_EDWARDS25519',
} as const satisfies Partial<Record<SignatureAlgorithm, string>>

type AwsAlgorithm = keyof typeof specs

const algorithms = Object.keys(specs) as readonly AwsAlgorithm[]

/** `Sign` takes messages of so many bytes as they are; of longer ones, μ. */
const rawBytesMax = 4_096

/** A deleted key is gone after so many days, the fewest that AWS has; until then it is disabled, and can be had back. */
const deletionDays = 7

type Sdk = Awaited<ReturnType<typeof loadAws>>

function loadAws(service: string) {
  return loadSdk(service, packageName, () => import('@aws-sdk/client-kms'))
}

/**
 * Custody at AWS KMS: ML-DSA-44, -65, -87 and Ed25519.
 *
 * @throws {CustodyError} `QIP_CUSTODY_SDK_MISSING`
 */
export async function openAwsKms(options: AwsKmsOptions): Promise<Custody> {
  const { region, endpoint } = options
  const name = `AWS KMS in ${region}`
  const sdk = await loadAws(name)
  const config: KMSClientConfig = { region, maxAttempts: 4, ...(endpoint !== undefined && { endpoint }) }
  return serviceCustody(new AwsKms(sdk, new sdk.KMSClient(config), options))
}

class AwsKms implements KeyService {
  readonly algorithms = algorithms
  readonly name: string
  readonly #sdk: Sdk
  readonly #client: KMSClient
  readonly #prefix: string
  readonly #timeoutMs: number

  constructor(
    sdk: Sdk,
    client: KMSClient,
    { region, prefix = defaultPrefix, timeoutMs = 10_000 }: AwsKmsOptions,
  ) {
    this.name = `AWS KMS in ${region}`
    this.#sdk = sdk
    this.#client = client
    this.#prefix = `alias/${prefix}/`
    this.#timeoutMs = timeoutMs
  }

  async createKey({ alg, purpose }: KeyOrder): Promise<ServiceKey> {
    const { CreateKeyCommand, CreateAliasCommand } = this.#sdk
    const { KeyMetadata } = await this.#ask('kms:CreateKey', undefined, (abortSignal) =>
      this.#client.send(
        new CreateKeyCommand({
          KeySpec: specs[alg as AwsAlgorithm],
          KeyUsage: 'SIGN_VERIFY',
          Description: `Quantum IP, ${purpose}`,
          // A crash before the alias leaves a key that this tag finds.
          Tags: [{ TagKey: 'quantum-ip', TagValue: purpose }],
        }),
        { abortSignal },
      ),
    )
    const id = KeyMetadata?.KeyId
    if (id === undefined) throw serviceFailure('faulty', this.#request('kms:CreateKey'), 'it names no key')
    const publicKey = await this.#publicKey(id, alg)
    const AliasName = `${this.#prefix}${purpose}/${publicKey.kid}`
    await this.#ask('kms:CreateAlias', publicKey.kid, (abortSignal) =>
      this.#client.send(new CreateAliasCommand({ AliasName, TargetKeyId: id }), { abortSignal }),
    )
    return { id, publicKey, purpose }
  }

  async keys(): Promise<readonly ServiceKey[]> {
    const found: ServiceKey[] = []
    for (const { name, id } of await this.#aliases()) {
      const [purpose = '', kid = ''] = name.slice(this.#prefix.length).split('/')
      const publicKey = await unlessDisabled(() => this.#publicKey(id))
      if (publicKey === undefined) continue
      if (publicKey.kid !== kid) {
        throw serviceFailure(
          'faulty',
          this.#request('kms:GetPublicKey', kid),
          `alias \`${name}\` leads to another key`,
        )
      }
      found.push({ id, publicKey, purpose })
    }
    return found
  }

  async sign({ id, publicKey }: ServiceKey, message: Uint8Array): Promise<Uint8Array> {
    const { SignCommand } = this.#sdk
    const isEdwards = publicKey.alg === 'Ed25519'
    if (isEdwards && message.length > rawBytesMax) {
      const reason = `Ed25519 signs at most ${rawBytesMax} bytes there`
      throw serviceFailure('refused', this.#request('kms:Sign', publicKey.kid), reason)
    }
    const isLong = message.length > rawBytesMax
    const { Signature } = await this.#ask('kms:Sign', publicKey.kid, (abortSignal) =>
      this.#client.send(
        new SignCommand({
          KeyId: id,
          Message: isLong ? externalMu(publicKey, message) : message,
          MessageType: isLong ? 'EXTERNAL_MU' : 'RAW',
          SigningAlgorithm: isEdwards ? 'ED25519_SHA_512' : 'ML_DSA_SHAKE_256',
        }),
        { abortSignal },
      ),
    )
    return Signature ?? new Uint8Array()
  }

  async destroyKey({ id, publicKey }: ServiceKey): Promise<void> {
    const { DeleteAliasCommand, ScheduleKeyDeletionCommand } = this.#sdk
    const { kid } = publicKey
    await this.#ask('kms:ScheduleKeyDeletion', kid, (abortSignal) =>
      this.#client.send(new ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays: deletionDays }), {
        abortSignal,
      }),
    )
    const alias = (await this.#aliases()).find(({ name }) => name.endsWith(`/${kid}`))
    if (alias === undefined) return
    await this.#ask('kms:DeleteAlias', kid, (abortSignal) =>
      this.#client.send(new DeleteAliasCommand({ AliasName: alias.name }), { abortSignal }),
    )
  }

  async close(): Promise<void> {
    this.#client.destroy()
  }

  async #aliases(): Promise<readonly { readonly name: string; readonly id: string }[]> {
    const { ListAliasesCommand } = this.#sdk
    const found: { name: string; id: string }[] = []
    let marker: string | undefined
    do {
      const page = await this.#ask('kms:ListAliases', undefined, (abortSignal) =>
        this.#client.send(new ListAliasesCommand({ Limit: 100, Marker: marker }), { abortSignal }),
      )
      for (const { AliasName: name = '', TargetKeyId: id } of page.Aliases ?? []) {
        if (name.startsWith(this.#prefix) && id !== undefined) found.push({ name, id })
      }
      marker = page.Truncated === true ? page.NextMarker : undefined
    } while (marker !== undefined)
    return found
  }

  async #publicKey(id: string, expected?: SignatureAlgorithm): Promise<ServiceKey['publicKey']> {
    const { GetPublicKeyCommand } = this.#sdk
    const { PublicKey: der, KeySpec } = await this.#ask('kms:GetPublicKey', undefined, (abortSignal) =>
      this.#client.send(new GetPublicKeyCommand({ KeyId: id }), { abortSignal }),
    )
    const alg = algorithms.find((alg) => specs[alg] === KeySpec)
    const request = this.#request('kms:GetPublicKey')
    if (alg === undefined || der === undefined || (expected !== undefined && alg !== expected)) {
      throw serviceFailure('faulty', request, `the key is of kind \`${KeySpec}\``)
    }
    return readReturnedKey({ der }, alg, request)
  }

  async #ask<Answer>(
    operation: string,
    kid: string | undefined,
    send: (abortSignal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await send(AbortSignal.timeout(this.#timeoutMs))
    } catch (cause) {
      const { name, message } = cause as Error
      throw serviceFailure(kindOf(cause), this.#request(operation, kid), `${name}: ${message}`, cause)
    }
  }

  #request(operation: string, kid?: string): { service: string; operation: string; kid: string | undefined } {
    return { service: this.name, operation, kid }
  }
}

// One key that somebody disabled must not hide the others.
async function unlessDisabled<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (isQipError(error, 'QIP_CUSTODY_KEY_DISABLED')) return undefined
    throw error
  }
}

const kinds: Readonly<Record<string, FailureKind>> = {
  ThrottlingException: 'throttled',
  LimitExceededException: 'throttled',
  AccessDeniedException: 'denied',
  UnrecognizedClientException: 'denied',
  InvalidSignatureException: 'denied',
  ExpiredTokenException: 'denied',
  InvalidClientTokenId: 'denied',
  CredentialsProviderError: 'denied',
  DisabledException: 'disabled',
  KMSInvalidStateException: 'disabled',
  KeyUnavailableException: 'unavailable',
  KMSInternalException: 'unavailable',
  DependencyTimeoutException: 'unavailable',
}

function kindOf(error: unknown): FailureKind {
  const { name = '', $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } }
  const known = kinds[name]
  if (known !== undefined) return known
  const status = $metadata?.httpStatusCode
  // No answer at all: refused connections, time-outs, names that do not resolve.
  return status === undefined || status >= 500 ? 'unavailable' : 'refused'
}
