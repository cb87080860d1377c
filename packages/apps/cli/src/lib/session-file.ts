import { rename, writeFile } from 'node:fs/promises'
import { base64url, type Json, type JsonObject, parseBase64url } from '@quantum-ip/base'
import { type Admission, AnswerReader, createAdmission } from '@quantum-ip/client'
import { CliError } from '../cli-errors.ts'
import { isObject } from './json.ts'
import { fileReason, readJson } from './files.ts'

const what = 'session file'

/**
 * Keeps an admission for later calls. The file holds the session's key: whoever reads it can draw tokens as this service until
 * the session ends, so only its owner may.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNWRITABLE`
 */
export async function writeSessionFile(path: string, admission: Admission): Promise<void> {
  const { id, key, sid, role, builds, expiresS } = admission
  const json = {
    session: id,
    key: base64url(key),
    sid,
    role,
    builds: builds.map(({ digest, evidence }) => ({ digest, evidence })),
    expires: expiresS,
  }
  const fresh = `${path}.${process.pid}.new`
  try {
    await writeFile(fresh, `${JSON.stringify(json)}\n`, { mode: 0o600, flag: 'wx' })
    await rename(fresh, path)
  } catch (cause) {
    throw new CliError('QIP_CLI_FILE_UNWRITABLE', { path, what, reason: fileReason(cause) }, { cause })
  }
}

/**
 * Reads an admission that {@link writeSessionFile} kept.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · `QIP_CLI_FILE_MALFORMED`, also for a session that has ended
 */
export async function readSessionFile(path: string, nowMs: number): Promise<Admission> {
  const json = await readJson({ path, what, bytesMax: 1_048_576 })
  const admission = isObject(json) ? admissionOf(json) : undefined
  if (admission === undefined) {
    throw new CliError('QIP_CLI_FILE_MALFORMED', { path, what, reason: 'it is not what qip writes' })
  }
  if (admission.expiresS * 1_000 > nowMs) return admission
  throw new CliError('QIP_CLI_FILE_MALFORMED', {
    path,
    what: 'session that still holds',
    reason: 'it has ended: admit again with --join-token',
  })
}

function admissionOf(json: JsonObject): Admission | undefined {
  try {
    const reader = new AnswerReader(json, what)
    const role = reader.text('role')
    if (role !== 'workload' && role !== 'verifier') return undefined
    return createAdmission({
      id: reader.text('session'),
      key: parseBase64url(reader.text('key')),
      sid: reader.text('sid'),
      role,
      builds: reader.list('builds', 1_024).map((build) => buildOf(build)),
      expiresS: reader.integer('expires'),
      warnings: [],
    })
  } catch {
    return undefined
  }
}

function buildOf(json: Json): Admission['builds'][number] {
  const reader = new AnswerReader(json, what)
  return { digest: reader.text('digest'), evidence: reader.integer('evidence') as 0 | 1 | 2 | 3 }
}
