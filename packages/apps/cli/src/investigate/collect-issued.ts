import { openAdmissionRecord, openIssuanceRecord, type OpenedToken } from '@quantum-ip/authority'
import { hex, isQipError, type JsonObject, parseBase64 } from '@quantum-ip/base'
import { requestObject, type Requester } from '@quantum-ip/client'
import type { KemPrivateKey } from '@quantum-ip/crypto'

/** A token whose record is opened, and its entry as the log has it. */
export interface TokenToOpen {
  readonly origin: string
  readonly index: number
  readonly entry: Uint8Array
}

/**
 * Opens the sealed record of a token with the custodian's key, here: what its logged hash stands for, under which session, and on what
 * evidence that was admitted. Without the nonce: whoever has it has the token. The authority records who asks.
 *
 * @returns the opened record as JSON; or why it cannot be opened
 */
export async function openIssued(
  requester: Requester,
  key: KemPrivateKey,
  { origin, index, entry }: TokenToOpen,
): Promise<JsonObject | string> {
  const log = Number(origin.slice(origin.lastIndexOf('/') + 1))
  try {
    const record = await requestObject(requester, {
      operation: 'a sealed record',
      method: 'GET',
      target: `/v1/issuance-records/${log}/${index}`,
    })
    if (record.text('kid') !== key.publicKey.kid)
      return `it is sealed to another key, \`${record.text('kid')}\``
    const sealed = parseBase64(record.text('sealed'))
    const opened = await openIssuanceRecord(key, {
      origin,
      log,
      index,
      first: record.integer('first'),
      sealed,
      entry,
    })
    if (opened === undefined) return 'the record does not reach to it'
    return {
      ...openedJson(opened),
      log: origin,
      index,
      admission: (await openAdmission(requester, key, opened)) ?? null,
    }
  } catch (error) {
    if (isQipError(error)) return error.message
    throw error
  }
}

function openedJson({ session, form, claims, isLogged }: OpenedToken): JsonObject {
  const { sub, aud, iat, exp, bld, att } = claims
  return {
    session,
    form,
    isLogged,
    sub,
    aud: [...aud],
    iat,
    exp,
    build: bld === undefined ? null : hex(bld),
    attestation: att === undefined ? null : [...att],
  }
}

async function openAdmission(
  requester: Requester,
  key: KemPrivateKey,
  { session }: OpenedToken,
): Promise<JsonObject | undefined> {
  try {
    const target = `/v1/admission-records/${encodeURIComponent(session)}`
    const record = await requestObject(requester, { operation: 'a sealed record', method: 'GET', target })
    const { evidence: _, ...said } = await openAdmissionRecord(key, {
      session,
      sealed: parseBase64(record.text('sealed')),
    })
    return said
  } catch (error) {
    // The tokens of a session may outlast the record of its admission, never by much.
    if (isQipError(error)) return undefined
    throw error
  }
}
