import { promisify } from 'node:util'
import { deflateRaw, inflateRaw } from 'node:zlib'
import {
  base64url,
  concatBytes,
  type Json,
  type JsonObject,
  parseBase64url,
  parseJson,
  parseUtf8,
  u32be,
  utf8,
} from '@quantum-ip/base'
import { type KemKey, type KemPrivateKey, openField, sealedFieldLimits, sealField } from '@quantum-ip/crypto'
import { type Claims, decodeClaims, encodeClaims } from '@quantum-ip/token'

/** Tokens of one order, which differ in their nonce alone. */
export interface RecordedOrder {
  readonly session: string
  readonly form: 'merkle' | 'jwt'
  /** The claims of each token. */
  readonly claims: readonly Claims[]
}

const deflate = promisify(deflateRaw)
const inflate = promisify(inflateRaw)
/** Before it is sealed a part of a record has at most this, its header not yet compressed. */
const partBytesMax = 56 * 1_024
const nonceBytes = 16
const none = new Uint8Array(nonceBytes)
/** Names the form; other ones get other names. */
const form = 'quantum-ip/issuance-record/v1'

/*
 * part   = u32be length || header || nonces            ; sealed with aad = form || " " || origin
 * header = deflated JSON [[session, form, base64url claims with an empty nonce, count] ...], `length` bytes
 * nonces = 16 bytes for each token, in the order of the header: they cannot be compressed
 */

/** A part of a record before it is sealed. */
export interface RecordPart {
  /** The rows of the header, as JSON. */
  readonly rows: readonly string[]
  readonly nonces: readonly Uint8Array[]
}

/**
 * The orders of a batch in parts that fit into a sealed field each.
 *
 * The claims stand once for each order, with the nonces beside them: that is 16 bytes for a token instead of 300.
 */
export function partsOf(orders: readonly RecordedOrder[]): readonly RecordPart[] {
  const parts: { readonly rows: string[]; readonly nonces: Uint8Array[] }[] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const { session, form: issued, claims } of orders) {
    const shared = base64url(encodeClaims({ ...(claims[0] as Claims), jti: none }))
    const row = JSON.stringify([session, issued, shared, claims.length])
    const size = row.length + 1 + claims.length * nonceBytes
    if (bytes + size > partBytesMax) {
      parts.push({ rows: [], nonces: [] })
      bytes = 0
    }
    const part = parts.at(-1)
    part?.rows.push(row)
    for (const { jti } of claims) part?.nonces.push(jti)
    bytes += size
  }
  return parts
}

/** Seals a part of a record. */
export async function sealPart(
  key: KemKey,
  origin: string,
  { rows, nonces }: RecordPart,
): Promise<Uint8Array> {
  const header = await deflate(utf8(`[${rows.join(',')}]`), { level: 1 })
  const plaintext = concatBytes(u32be(header.length), header, ...nonces)
  return sealField({ key, plaintext, aad: aadOf(origin) })
}

/** Opens a part of a record. @throws {CryptoError} `QIP_CRYPTO_FIELD_REFUSED` · `QIP_CRYPTO_FIELD_MALFORMED` */
export async function openPart(
  key: KemPrivateKey,
  origin: string,
  sealed: Uint8Array,
): Promise<readonly RecordedOrder[]> {
  const part = await openField({ key, sealed, aad: aadOf(origin) })
  const headerEnd = 4 + new DataView(part.buffer, part.byteOffset).getUint32(0)
  const rows = (await readJson(part.subarray(4, headerEnd))) as unknown as readonly OrderRow[]
  let at = headerEnd
  return rows.map(([session, issued, claims, count]) => {
    const of = decodeClaims(parseBase64url(claims))
    const nonces = Array.from({ length: count }, (_, nth) =>
      Uint8Array.from(part.subarray(at + nth * nonceBytes, at + (nth + 1) * nonceBytes)),
    )
    at += count * nonceBytes
    return { session, form: issued, claims: nonces.map((jti) => withNonce(of, jti)) }
  })
}

/** Seals what is kept of an admission. */
export async function sealAdmission(key: KemKey, session: string, record: JsonObject): Promise<Uint8Array> {
  const plaintext = await deflate(utf8(JSON.stringify(record)))
  return sealField({ key, plaintext, aad: utf8(`${admissionForm} ${session}`) })
}

/** Opens what is kept of an admission. @throws {CryptoError} as {@link openPart} */
export async function openAdmission(
  key: KemPrivateKey,
  session: string,
  sealed: Uint8Array,
): Promise<JsonObject> {
  const record = await readJson(await openField({ key, sealed, aad: utf8(`${admissionForm} ${session}`) }))
  return record as JsonObject
}

const admissionForm = 'quantum-ip/admission-record/v1'

type OrderRow = readonly [session: string, form: 'merkle' | 'jwt', claims: string, count: number]

function withNonce(claims: Claims, jti: Uint8Array): Claims {
  return { ...claims, jti }
}

async function readJson(deflated: Uint8Array): Promise<Json> {
  return parseJson(parseUtf8(await inflate(deflated, { maxOutputLength: jsonBytesMax })))
}

/** Who opens a record trusts who sealed it no further than this. */
const jsonBytesMax = 32 * sealedFieldLimits.plaintextBytesMax

function aadOf(origin: string): Uint8Array {
  return utf8(`${form} ${origin}`)
}
