import { isQipError, type JsonObject, trustDomainName } from '@quantum-ip/base'
import {
  type KemKey,
  kemJwk,
  noteKeyId,
  parseKemJwk,
  parsePublicJwk,
  type PublicKey,
  publicJwk,
} from '@quantum-ip/crypto'
import type { IgnoredKey } from '../bundle.ts'
import {
  algorithmsOf,
  type KeyRecord,
  type KeyState,
  keyStates,
  type KeyUse,
  noteTypeOf,
  type SigningUse,
  signingUses,
} from '../key-record.ts'
import { trustLimits } from '../payload-types.ts'
import type { Members } from './members.ts'

/** How the keys of a bundle are read. */
export interface KeyRecordOptions {
  readonly td: string
  /** Take composite keys, whose algorithms are a draft. */
  readonly composites: boolean
}

/** The JWK of a record, with its `qip` member. */
export function keyRecordJson(record: KeyRecord): object {
  const { use, state, name, log, set } = record
  const jwk = record.use === 'qip-kem' ? kemJwk(record.key) : publicJwk(record.key)
  return { ...jwk, use, qip: { state, name, log, set } }
}

/** Why an entry counts for nothing here, with what it would have been for. */
export interface Ignored {
  readonly ignored: Omit<IgnoredKey, 'index'>
}

/**
 * Reads one entry of the JWK Set, or says why it counts for nothing here: SPIFFE demands that entries of unknown `kty` or
 * `use` are passed over (SPIFFE Trust Domain and Bundle, section 4.2), and the same holds for states and algorithms
 * that a later version may bring. What is ours and malformed is refused.
 *
 * @throws {TrustError} `QIP_TRUST_DOCUMENT_MALFORMED`
 */
export function parseKeyRecord(jwk: Members, options: KeyRecordOptions): KeyRecord | Ignored {
  const { use } = jwk.object
  if (!isKeyUse(use)) return { ignored: { reason: 'unknown `use`' } }
  const qip = jwk.members('qip')
  const names = parseNames(qip, use, options)
  const state = qip.text('state', trustLimits.nameCharsMax)
  if (!isKeyState(state)) return { ignored: { reason: 'unknown `state`', use, ...names } }
  const key = parseKey(jwk, use, options)
  if (typeof key === 'string') return { ignored: { reason: key, use, ...names } }
  checkKid(jwk, key.kid)
  if (use === 'qip-kem') return { use, key: key as KemKey, state, ...names }
  const signing = { use, key: key as PublicKey, state, ...names }
  const keyId = keyIdOf(signing, qip)
  return keyId === undefined ? signing : { ...signing, keyId }
}

function parseKey(jwk: Members, use: KeyUse, { composites }: KeyRecordOptions): PublicKey | KemKey | string {
  const { kty } = jwk.object
  if (kty !== 'AKP' && kty !== 'OKP') return 'unknown `kty`'
  try {
    if (use === 'qip-kem') return parseKemJwk(jwk.object)
    const key = parsePublicJwk(jwk.object, { composites })
    return algorithmsOf[use].includes(key.alg) ? key : `\`${use}\` does not take \`${key.alg}\``
  } catch (cause) {
    if (isQipError(cause, 'QIP_CRYPTO_ALGORITHM_UNKNOWN')) return 'unknown `alg`'
    if (isQipError(cause, 'QIP_CRYPTO_COMPOSITE_NOT_ALLOWED')) return 'composite `alg`, which is not allowed'
    if (!isQipError(cause)) throw cause
    throw jwk.malformed('', `is no key: ${cause.message}`, { cause })
  }
}

// `kid` is no trust input, but one that is not the thumbprint would name the key differently to everybody else.
function checkKid(jwk: Members, kid: string): void {
  if (jwk.has('kid') && jwk.object['kid'] !== kid) throw jwk.malformed('kid', 'is not the thumbprint')
}

interface Names {
  readonly name?: string
  readonly log?: string
  readonly set?: string
}

function parseNames(qip: Members, use: KeyUse, { td }: KeyRecordOptions): Names {
  const { nameCharsMax } = trustLimits
  const isOfLog = use === 'qip-token' || use === 'qip-log'
  const log = isOfLog ? qip.text('log', nameCharsMax) : qip.optionalText('log', nameCharsMax)
  if (log !== undefined && !isOrigin(log, td)) throw qip.malformed('log', 'is no log of this trust domain')
  // A log's key has the log's name (c2sp.org/tlog-checkpoint).
  const name = use === 'qip-log' && !qip.has('name') ? log : qip.optionalText('name', nameCharsMax)
  if (name === undefined && (isOfLog || use === 'qip-build')) throw qip.malformed('name', 'is missing')
  if (use === 'qip-log' && name !== log) throw qip.malformed('name', 'is not the log’s origin')
  if (use === 'qip-token' && name !== undefined && !isOrigin(name, td)) {
    throw qip.malformed('name', 'is no cosigner of this trust domain')
  }
  const set = qip.optionalText('set', nameCharsMax)
  if (set !== undefined && use !== 'qip-build') throw qip.malformed('set', 'means nothing for this use')
  return {
    ...(name !== undefined && { name }),
    ...(log !== undefined && { log }),
    ...(set !== undefined && { set }),
  }
}

const originForm = /^[\u0021-\u002a\u002c-\u007e]+$/

/** Whether `origin` can be a log or cosigner of `td`: its bare name, a slash, and printable ASCII but `+` and space. */
export function isOrigin(origin: string, td: string): boolean {
  const prefix = `${trustDomainName(td)}/`
  return (
    origin.length > prefix.length &&
    origin.length <= trustLimits.nameCharsMax &&
    origin.startsWith(prefix) &&
    originForm.test(origin)
  )
}

function keyIdOf(
  record: { use: SigningUse; key: PublicKey; name?: string },
  qip: Members,
): number | undefined {
  const { use, key, name } = record
  if ((use !== 'qip-token' && use !== 'qip-log') || name === undefined) return undefined
  try {
    return noteKeyId({ name, type: noteTypeOf(use, key.alg), bytes: key.bytes })
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw qip.malformed('name', 'cannot sign a note', { cause })
  }
}

function isKeyUse(use: JsonObject[string] | undefined): use is KeyUse {
  return use === 'qip-kem' || (signingUses as readonly unknown[]).includes(use)
}

function isKeyState(state: string): state is KeyState {
  return (keyStates as readonly string[]).includes(state)
}
