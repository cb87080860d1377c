import {
  type Clock,
  isServiceId,
  type Json,
  type JsonObject,
  parseBase64url,
  type ServiceId,
  systemClock,
  utf8,
} from '@quantum-ip/base'
import { generateKemKey, kemJwk, type KemPrivateKey, openField } from '@quantum-ip/crypto'
import { ClientError } from './client-errors.ts'
import { type AnswerReader, requestObject } from './read-answer.ts'
import type { Requester } from './request.ts'
import { formatSessionProof } from './session-proof.ts'

/** What a session may do: draw tokens, or follow the trust state as an enforcement point. */
export type SessionRole = 'workload' | 'verifier'

/** How a build was established: 0 declared, 1 platform, 2 measured, 3 hardware. */
export type BuildEvidence = 0 | 1 | 2 | 3

/** A build that a workload was admitted with. */
export interface AdmittedBuild {
  /** SHA-256 of the artifact, lowercase hexadecimal. */
  readonly digest: string
  readonly evidence: BuildEvidence
  /** The attestation that admission relied on: `[n, index]` of `…/attestations/<n>`. */
  readonly attestation?: readonly [log: number, index: number]
}

/** An admission: who the authority says that this process is, and the key that proves it from now on. */
export interface Admission {
  /** The session's ID, 22 characters. */
  readonly id: string
  /** The session's MAC key, 32 bytes. **A secret: not enumerable, so that no inspection and no JSON shows it.** */
  readonly key: Uint8Array
  readonly sid: ServiceId
  readonly role: SessionRole
  readonly builds: readonly AdmittedBuild[]
  /** Seconds since 1970. */
  readonly expiresS: number
  /** What the authority let pass this time. */
  readonly warnings: readonly string[]
}

/** What a workload shows to be admitted. */
export interface AdmissionRequest {
  /** The admission method, such as `join-token`. */
  readonly method: string
  /** What the method asks for, such as `{ token }`. **Secret.** */
  readonly evidence: Readonly<Record<string, Json>>
  /** Builds that the workload says it runs, SHA-256 in lowercase hex. The method decides. */
  readonly builds?: readonly string[]
}

const operation = 'admission'
const buildsMax = 1_024
const warningsMax = 64
const keyBytes = 32

/**
 * Shows evidence to the authority and returns what it admits: `POST /v1/workloads`, sent once.
 *
 * The session's key comes sealed to a fresh X-Wing key that never leaves this call: whoever recorded the connection does not have
 * it, also with a quantum computer.
 *
 * @throws {ClientError} `QIP_CLIENT_AUTHORITY_REFUSED` · `QIP_CLIENT_AUTHORITY_UNAVAILABLE` ·
 *   `QIP_CLIENT_ADMISSION_UNREADABLE` if the sealed key does not open
 */
export async function admit(requester: Requester, request: AdmissionRequest): Promise<Admission> {
  const { method, evidence, builds } = request
  const key = generateKemKey()
  const json: JsonObject = {
    method,
    evidence: { ...evidence },
    key: { ...kemJwk(key.publicKey) },
    ...(builds !== undefined && { builds: [...builds] }),
  }
  const answer = await requestObject(requester, { operation, method: 'POST', target: '/v1/workloads', json })
  return readAdmission(answer, key)
}

/**
 * Goes on as who has a session: `POST /v1/workloads/renew`, proved by that session, needs no new evidence. The authority asks again
 * what it asked at admission.
 *
 * @throws {ClientError} as {@link admit}
 */
export async function renewAdmission(
  requester: Requester,
  admission: Admission,
  clock: Clock = systemClock,
): Promise<Admission> {
  const key = generateKemKey()
  const json: JsonObject = { key: { ...kemJwk(key.publicKey) } }
  const proved = { method: 'POST', target: '/v1/workloads/renew' } as const
  const authorize = (): string => formatSessionProof(admission, clock.now(), proved)
  const answer = await requestObject(requester, { operation: 'renewal', ...proved, json, authorize })
  return readAdmission(answer, key)
}

async function readAdmission(answer: AnswerReader, key: KemPrivateKey): Promise<Admission> {
  const id = answer.text('session')
  if (!/^[A-Za-z0-9_-]{22}$/.test(id)) throw answer.malformed('`session` is no session ID')
  const sid = answer.text('sid')
  if (!isServiceId(sid)) throw answer.malformed('`sid` is no service ID')
  const admitted = {
    id,
    sid,
    role: readRole(answer),
    builds: answer.objects('builds', buildsMax).map((build) => readBuild(build)),
    expiresS: answer.integer('expires'),
    warnings: answer.has('warnings') ? answer.texts('warnings', warningsMax) : [],
  }
  return createAdmission({ ...admitted, key: await openKey(answer.text('sealedKey'), id, key) })
}

/** An admission out of its parts, the key hidden from inspection. For whoever keeps admissions elsewhere. */
export function createAdmission(parts: Admission): Admission {
  const { key, ...visible } = parts
  return Object.defineProperty({ ...visible }, 'key', { value: key, enumerable: false }) as Admission
}

async function openKey(sealedText: string, id: string, key: KemPrivateKey): Promise<Uint8Array> {
  try {
    const opened = await openField({ key, sealed: parseBase64url(sealedText), aad: utf8(id) })
    if (opened.length === keyBytes) return opened
  } catch {
    // Which of them it was is not told apart: the answer is not for this key, and that is all there is to know.
  }
  throw new ClientError('QIP_CLIENT_ADMISSION_UNREADABLE', {
    reason: 'the sealed key does not open with the key that was sent',
  })
}

function readRole(answer: AnswerReader): SessionRole {
  const role = answer.text('role')
  if (role !== 'workload' && role !== 'verifier') throw answer.malformed('`role` is unknown')
  return role
}

function readBuild(build: AnswerReader): AdmittedBuild {
  const digest = build.text('digest')
  if (!/^[0-9a-f]{64}$/.test(digest)) throw build.malformed('`digest` is no SHA-256')
  const evidence = build.integer('evidence')
  if (!isEvidence(evidence)) throw build.malformed('`evidence` is unknown')
  if (!build.has('attestation')) return { digest, evidence }
  const [log, index, ...others] = build.list('attestation', 2)
  if (!isIndex(log) || !isIndex(index) || others.length > 0) {
    throw build.malformed('`attestation` is no pair of numbers')
  }
  return { digest, evidence, attestation: [log, index] }
}

function isEvidence(value: number): value is BuildEvidence {
  return value <= 3
}

function isIndex(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
