import { parseBase64url, utf8 } from '@quantum-ip/base'
import { formatSessionProof } from '@quantum-ip/client'
import { generateKemKey, kemJwk, openField } from '@quantum-ip/crypto'
import { Pool } from 'undici'

/** A session and a pool of connections: no more than the bench needs, so that the client costs little. */
export interface HttpSession {
  readonly id: string
  readonly key: Uint8Array
  readonly pool: Pool
}

/** Admits by join token. */
export async function admitOver(url: string, token: string, connections: number): Promise<HttpSession> {
  const pool = new Pool(url, { connections })
  const key = generateKemKey('X-Wing')
  const body = JSON.stringify({ method: 'join-token', evidence: { token }, key: kemJwk(key.publicKey) })
  const answer = (await post(pool, '/v1/workloads', body)) as { session: string; sealedKey: string }
  const sealed = parseBase64url(answer.sealedKey)
  return { id: answer.session, key: await openField({ key, sealed, aad: utf8(answer.session) }), pool }
}

/** Sends a request in a session and reads the whole answer. */
export async function postIn(session: HttpSession, target: string, body: string): Promise<string> {
  const authorization = formatSessionProof(session, Date.now(), { method: 'POST', target })
  return send(session.pool, { target, body, headers: { 'content-type': 'application/json', authorization } })
}

async function post(pool: Pool, target: string, body: string): Promise<unknown> {
  return JSON.parse(await send(pool, { target, body, headers: { 'content-type': 'application/json' } }))
}

/** Sends a request without a session. */
export function postOpen(pool: Pool, target: string, body: string): Promise<string> {
  return send(pool, { target, body, headers: { 'content-type': 'application/json' } })
}

async function send(
  pool: Pool,
  request: { readonly target: string; readonly body: string; readonly headers: Record<string, string> },
): Promise<string> {
  const { target, body, headers } = request
  const response = await pool.request({ path: target, method: 'POST', body, headers })
  const text = await response.body.text()
  if (response.statusCode !== 200) throw new Error(`${target}: ${response.statusCode} ${text.slice(0, 300)}`)
  return text
}
