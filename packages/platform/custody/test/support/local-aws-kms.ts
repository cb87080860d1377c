import { createPublicKey } from 'node:crypto'
import { base64, parseBase64 } from '@quantum-ip/base'
import { generatePrivateKey, type PublicKey, type SignatureAlgorithm } from '@quantum-ip/crypto'
import { type HeldKey, KeyStore } from './key-store.ts'
import { type LocalAnswer, type LocalRequest, type LocalServer, serveLocally } from './local-server.ts'
import { signMu } from './mu-signature.ts'

// What AWS documents of its JSON 1.1 API, as far as custody needs it: X-Amz-Target names the operation, errors are `__type`.

const algorithms: Readonly<Record<string, SignatureAlgorithm>> = {
  ML_DSA_44: 'ML-DSA-44',
  ML_DSA_65: 'ML-DSA-65',
  ML_DSA_87: 'ML-DSA-87',
  ECC_NIST_EDWARDS25519: 'Ed25519',
}

/** A local server that speaks the API of AWS KMS, with what is behind it. */
export interface LocalAwsKms extends LocalServer {
  readonly store: KeyStore
  readonly aliases: Map<string, string>
  /** Aliases in one page of a list. */
  pageSize: number
}

export async function openLocalAwsKms(): Promise<LocalAwsKms> {
  const store = new KeyStore()
  const aliases = new Map<string, string>()
  const behind = { store, aliases, pageSize: 100 }
  const server = await serveLocally((request) => answer(behind, request))
  return Object.assign(behind, {
    url: server.url,
    port: server.port,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  })
}

type Behind = Pick<LocalAwsKms, 'store' | 'aliases' | 'pageSize'>

function failure(type: string, message = 'as the test wants it', status = 400): LocalAnswer {
  return { status, json: { __type: type, message }, type: 'application/x-amz-json-1.1' }
}

function ok(json: unknown): LocalAnswer {
  return { status: 200, json, type: 'application/x-amz-json-1.1' }
}

async function answer(behind: Behind, { headers, body }: LocalRequest): Promise<LocalAnswer> {
  const { store } = behind
  const operation = String(headers['x-amz-target']).replace('TrentService.', '')
  store.requests.push({ operation, body })
  // Signature Version 4, of the headers that AWS demands.
  const signed =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/eu-central-1\/kms\/aws4_request, SignedHeaders=([^,]+), Signature=[0-9a-f]{64}$/
  const names = signed.exec(headers.authorization ?? '')?.[1]?.split(';') ?? []
  if (!['host', 'x-amz-date', 'x-amz-target'].every((name) => names.includes(name))) {
    return failure('IncompleteSignatureException')
  }
  if (headers['content-type'] !== 'application/x-amz-json-1.1') return failure('SerializationException')
  if (store.trouble === 'throttled once') {
    store.trouble = undefined
    return failure('ThrottlingException')
  }
  if (store.trouble === 'throttled') return failure('ThrottlingException')
  if (store.trouble === 'denied') return failure('AccessDeniedException')
  if (store.trouble === 'broken') return failure('KMSInternalException', 'broken', 500)
  if (store.trouble === 'silent') return undefined
  const operate = operations[operation]
  return operate === undefined ? failure('UnknownOperationException') : operate(behind, body)
}

type Body = Readonly<Record<string, unknown>>

function keyOf({ store, aliases }: Behind, { KeyId }: Body): HeldKey | undefined {
  return store.keys.get(aliases.get(String(KeyId)) ?? String(KeyId))
}

const operations: Readonly<
  Record<string, (behind: Behind, body: Body) => LocalAnswer | Promise<LocalAnswer>>
> = {
  CreateKey({ store }, { KeySpec, KeyUsage }) {
    const alg = algorithms[String(KeySpec)]
    if (alg === undefined || KeyUsage !== 'SIGN_VERIFY') return failure('ValidationException')
    const { id } = store.create(alg, String(KeySpec))
    return ok({ KeyMetadata: { KeyId: id, Arn: `arn:aws:kms:eu-central-1:111122223333:key/${id}`, KeySpec } })
  },
  CreateAlias({ aliases }, { AliasName, TargetKeyId }) {
    if (!/^alias\/[a-zA-Z0-9/_-]+$/.test(String(AliasName))) return failure('InvalidAliasNameException')
    if (aliases.has(String(AliasName))) return failure('AlreadyExistsException')
    aliases.set(String(AliasName), String(TargetKeyId))
    return ok({})
  },
  DeleteAlias({ aliases }, { AliasName }) {
    return aliases.delete(String(AliasName)) ? ok({}) : failure('NotFoundException')
  },
  ListAliases({ aliases, pageSize }, { Marker }) {
    const first = Number(Marker ?? 0)
    const all = [['alias/aws/s3', 'foreign'] as const, ...aliases]
    const page = all.slice(first, first + pageSize)
    const more = first + pageSize < all.length
    return ok({
      Aliases: page.map(([AliasName, TargetKeyId]) => ({
        AliasName,
        TargetKeyId,
        AliasArn: `arn:aws:kms:x:1:${AliasName}`,
      })),
      Truncated: more,
      ...(more && { NextMarker: String(first + pageSize) }),
    })
  },
  GetPublicKey(behind, body) {
    const held = keyOf(behind, body)
    if (held === undefined) return failure('NotFoundException')
    if (held.state !== 'ENABLED') return failure('DisabledException', 'the key is disabled')
    const isOther = behind.store.trouble === 'wrong key'
    const { publicKey } = isOther ? generatePrivateKey(held.key.publicKey.alg) : held.key
    return ok({
      KeyId: held.id,
      KeySpec: held.spec,
      KeyUsage: 'SIGN_VERIFY',
      PublicKey: base64(spkiOf(publicKey)),
    })
  },
  Sign: (behind, body) => sign(behind, body),
  ScheduleKeyDeletion(behind, body) {
    const held = keyOf(behind, body)
    if (held === undefined) return failure('NotFoundException')
    held.state = 'PendingDeletion'
    return ok({ KeyId: held.id, KeyState: held.state, PendingWindowInDays: body['PendingWindowInDays'] })
  },
}

async function sign(behind: Behind, body: Body): Promise<LocalAnswer> {
  const held = keyOf(behind, body)
  const { Message, MessageType, SigningAlgorithm } = body
  if (held === undefined) return failure('NotFoundException')
  if (held.state === 'Disabled') return failure('DisabledException', 'the key is disabled')
  if (held.state !== 'ENABLED') return failure('KMSInvalidStateException', `the key is ${held.state}`)
  const message = parseBase64(String(Message))
  const isEdwards = held.spec === 'ECC_NIST_EDWARDS25519'
  if (SigningAlgorithm !== (isEdwards ? 'ED25519_SHA_512' : 'ML_DSA_SHAKE_256'))
    return failure('InvalidKeyUsageException')
  const fits =
    MessageType === 'EXTERNAL_MU'
      ? message.length === 64 && !isEdwards
      : MessageType === 'RAW' && message.length <= 4_096
  if (!fits) return failure('ValidationException')
  const signature = MessageType === 'RAW' ? await held.key.sign(message) : signMu(held.key, message)
  if (behind.store.trouble === 'wrong signature') signature[100] = (signature[100] ?? 0) ^ 1
  return ok({ KeyId: held.id, Signature: base64(signature), SigningAlgorithm })
}

/** SubjectPublicKeyInfo, DER. */
export function spkiOf({ alg, bytes }: PublicKey): Uint8Array {
  const asymmetricKeyType = alg.toLowerCase() as 'ml-dsa-65'
  const key = createPublicKey({ key: Buffer.from(bytes), format: 'raw-public', asymmetricKeyType })
  return key.export({ format: 'der', type: 'spki' })
}
