import { createHmac, timingSafeEqual } from 'node:crypto'
import { base64url, concatBytes, lengthPrefixed, parseBase64url, u64be, utf8 } from '@quantum-ip/base'
import { ClientError } from './client-errors.ts'

/**
 * What a session proof covers. Not the body: the guard that asks for the proof runs before the body is read, and the
 * body is the connection's business (TLS 1.3, or the loopback).
 */
export interface ProvedRequest {
  readonly method: string
  /** Path and query, as in the request line. */
  readonly target: string
}

/** A parsed `Authorization: QIP-Session …` field. Nothing of it is verified yet. */
export interface SessionProof {
  readonly sessionId: string
  /** When the client sent it, by its clock; milliseconds. */
  readonly timeMs: number
  readonly mac: Uint8Array
}

const label = utf8('quantum-ip/session/v1\0')

/**
 * The message authentication code of one request in a session.
 *
 * ```
 * HMAC-SHA256(session key, "quantum-ip/session/v1" 00 || lp(session id) || u64be time in ms
 *             || lp(method) || lp(target))
 * ```
 *
 * The session key was sealed to the client's KEM key at admission, so whoever can make this holds that key: a proof of
 * possession for 2 us per request, where a post-quantum signature would cost the authority 150.
 */
function sessionMac(key: Uint8Array, proof: Omit<SessionProof, 'mac'>, request: ProvedRequest): Uint8Array {
  const message = concatBytes(
    label,
    lengthPrefixed(utf8(proof.sessionId)),
    u64be(proof.timeMs),
    lengthPrefixed(utf8(request.method)),
    lengthPrefixed(utf8(request.target)),
  )
  return createHmac('sha256', key).update(message).digest()
}

/** The `Authorization` value that proves that a request comes from the holder of the session. */
export function formatSessionProof(
  session: { readonly id: string; readonly key: Uint8Array },
  timeMs: number,
  request: ProvedRequest,
): string {
  const mac = sessionMac(session.key, { sessionId: session.id, timeMs }, request)
  return `QIP-Session id="${session.id}", t=${timeMs}, mac="${base64url(mac)}"`
}

const proofForm = /^QIP-Session id="([A-Za-z0-9_-]{22})", t=(\d{1,15}), mac="([A-Za-z0-9_-]{43})"$/

/**
 * Parses an `Authorization` value of the scheme `QIP-Session`.
 *
 * @throws {ClientError} `QIP_CLIENT_PROOF_MALFORMED` if it does not follow the grammar.
 */
export function parseSessionProof(value: string): SessionProof {
  const found = proofForm.exec(value)
  if (found === null)
    throw new ClientError('QIP_CLIENT_PROOF_MALFORMED', { reason: 'it does not follow the grammar' })
  const [, sessionId = '', time = '', mac = ''] = found
  return { sessionId, timeMs: Number(time), mac: parseBase64url(mac) }
}

/** Whether `proof` was made with `key` for this very request. Takes the same time wherever it differs. */
export function matchesSession(key: Uint8Array, proof: SessionProof, request: ProvedRequest): boolean {
  return timingSafeEqual(sessionMac(key, proof, request), proof.mac)
}
