import { equalBytes, type JsonObject } from '@quantum-ip/base'
import type { KemPrivateKey } from '@quantum-ip/crypto'
import { type Claims, encodeClaims, jwtPayload, tokenDigest, tokenEntry } from '@quantum-ip/token'
import { openAdmission, openPart } from './record-form.ts'

/** A sealed record, and which token of it is wanted. */
export interface RecordToOpen {
  readonly origin: string
  /** The number of the token log: a JWT names it. */
  readonly log: number
  readonly index: number
  /** The index of the record's first token. */
  readonly first: number
  readonly sealed: Uint8Array
  /** The entry that the log has at `index`. */
  readonly entry: Uint8Array
}

/** What a logged hash opens to. */
export interface OpenedToken {
  readonly session: string
  readonly form: 'merkle' | 'jwt'
  /** With the nonce, which is the bearer secret as long as the token lives. */
  readonly claims: Claims
  /** Whether the log has exactly these claims at this place. */
  readonly isLogged: boolean
}

/**
 * Opens the record of one token, and compares it with what the log has: a record that was made up does not fit.
 *
 * @throws {CryptoError} `QIP_CRYPTO_FIELD_REFUSED` for another key, or a record of another log
 * @returns `undefined` if the record does not reach to the index
 */
export async function openIssuanceRecord(
  key: KemPrivateKey,
  { origin, log, index, first, sealed, entry }: RecordToOpen,
): Promise<OpenedToken | undefined> {
  let at = first
  for (const { session, form, claims } of await openPart(key, origin, sealed)) {
    const found = claims[index - at]
    at += claims.length
    if (found === undefined) continue
    const bytes = form === 'jwt' ? jwtPayload({ claims: found, log, index }) : encodeClaims(found)
    const logged = tokenEntry({ form, exp: found.exp, digest: tokenDigest(bytes) })
    return { session, form, claims: found, isLogged: equalBytes(logged, entry) }
  }
  return undefined
}

/** Opens what is kept of the admission of a session. @throws {CryptoError} as {@link openIssuanceRecord} */
export function openAdmissionRecord(
  key: KemPrivateKey,
  record: { readonly session: string; readonly sealed: Uint8Array },
): Promise<JsonObject> {
  return openAdmission(key, record.session, record.sealed)
}
