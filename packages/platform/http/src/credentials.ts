import { timingSafeEqual } from 'node:crypto'
import { base64url, type Clock, type Random, systemClock, systemRandom } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { HttpError } from './http-errors.ts'
import type { Role } from './roles.ts'

/** What is kept of an operator's credential. The credential itself is kept nowhere. */
export interface CredentialRecord {
  /** Public, 12 characters. */
  readonly id: string
  /** For people: whose it is. */
  readonly name: string
  readonly role: Role
  /** SHA-256 of the secret's 32 random bytes. */
  readonly hash: Uint8Array
  readonly createdMs: number
  readonly expiresMs?: number
  readonly revokedMs?: number
}

/** Where credential records are kept. The authority keeps them in its store. */
export interface CredentialStore {
  list(): Promise<readonly CredentialRecord[]>
  find(id: string): Promise<CredentialRecord | undefined>
  /** Keeps the record, in the place of one with the same ID. */
  put(record: CredentialRecord): Promise<void>
}

/** What {@link createCredential} takes. */
export interface CredentialOptions {
  readonly store: CredentialStore
  readonly name: string
  readonly role: Role
  readonly expiresMs?: number
  readonly clock?: Clock
  readonly random?: Random
}

/** A credential that nobody has been given yet. */
export interface NewCredential {
  readonly record: CredentialRecord
  /** `qipo1.` and ID and secret: what the operator sends as bearer. It cannot be had a second time. */
  readonly credential: string
}

// The prefix is there for secret scanners. An ID finds the record, so that the secret is compared once, in constant time.
const credentialForm = /^qipo1\.([A-Za-z0-9_-]{12})\.([A-Za-z0-9_-]{43})$/
const nobody = new Uint8Array(32)

/** Draws a credential without keeping anything: 9 random bytes of ID, 32 of secret. */
export function newCredential(options: Omit<CredentialOptions, 'store'>): NewCredential {
  const { name, role, expiresMs, clock = systemClock, random = systemRandom } = options
  const id = base64url(random.bytes(9))
  const secret = random.bytes(32)
  const record: CredentialRecord = {
    id,
    name,
    role,
    hash: sha256(secret),
    createdMs: clock.now(),
    ...(expiresMs === undefined ? {} : { expiresMs }),
  }
  return { record, credential: `qipo1.${id}.${base64url(secret)}` }
}

/** Makes a credential and keeps its record. 256 random bits need no slow hash: there is nothing to guess. */
export async function createCredential(options: CredentialOptions): Promise<NewCredential> {
  const made = newCredential(options)
  await options.store.put(made.record)
  return made
}

/**
 * Revokes a credential from this moment on.
 *
 * @throws {HttpError} `QIP_HTTP_CREDENTIAL_UNKNOWN` if there is none of this ID.
 */
export async function revokeCredential(options: {
  readonly store: CredentialStore
  readonly id: string
  readonly clock?: Clock
}): Promise<CredentialRecord> {
  const { store, id, clock = systemClock } = options
  const record = await store.find(id)
  if (record === undefined) throw new HttpError('QIP_HTTP_CREDENTIAL_UNKNOWN', {})
  if (record.revokedMs !== undefined) return record
  const revoked = { ...record, revokedMs: clock.now() }
  await store.put(revoked)
  return revoked
}

/** Whether this bearer text is an operator's credential by its form. Members' credentials look otherwise. */
export function isOperatorCredential(bearer: string): boolean {
  return bearer.startsWith('qipo1.')
}

/**
 * The record of the credential `bearer`.
 *
 * Malformed, unknown, wrong, expired and revoked are one refusal, and the comparison takes the same time for all.
 *
 * @throws {HttpError} `QIP_HTTP_CREDENTIAL_INVALID` for anything but a valid credential.
 */
export async function verifyCredential(options: {
  readonly store: CredentialStore
  readonly bearer: string
  readonly clock?: Clock
}): Promise<CredentialRecord> {
  const { store, bearer, clock = systemClock } = options
  const parts = credentialForm.exec(bearer)
  const [, id, secret] = parts ?? []
  if (id === undefined || secret === undefined) throw new HttpError('QIP_HTTP_CREDENTIAL_INVALID', {})
  const record = await store.find(id)
  const holds = timingSafeEqual(sha256(Buffer.from(secret, 'base64url')), record?.hash ?? nobody)
  const now = clock.now()
  if (
    !holds ||
    record === undefined ||
    record.revokedMs !== undefined ||
    (record.expiresMs ?? Infinity) <= now
  ) {
    throw new HttpError('QIP_HTTP_CREDENTIAL_INVALID', {})
  }
  return record
}

/** A store in memory, for tests and for processes that forget. */
export function memoryCredentialStore(): CredentialStore {
  const records = new Map<string, CredentialRecord>()
  return {
    list: () => Promise.resolve([...records.values()]),
    find: (id) => Promise.resolve(records.get(id)),
    put: (record) => {
      records.set(record.id, record)
      return Promise.resolve()
    },
  }
}
