import { readFile } from 'node:fs/promises'
import { type Json, isQipError, parseJson } from '@quantum-ip/base'
import { MirrorError } from '../mirror-errors.ts'
import type { S3Credentials } from './s3-store.ts'

/**
 * Reads the credentials of an object store: JSON with `accessKeyId`, `secretAccessKey` and, for temporary ones, `sessionToken`.
 *
 * @throws {MirrorError} `QIP_MIRROR_FILE_MALFORMED`
 */
export async function readS3Credentials(file: string): Promise<S3Credentials> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw malformed(file, `it cannot be read (${error.code ?? 'unknown'})`)
  })
  const json = parseOf(file, text)
  if (json === null || typeof json !== 'object' || Array.isArray(json))
    throw malformed(file, 'it is no object')
  const { accessKeyId, secretAccessKey, sessionToken, ...rest } = json
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined)
    throw malformed(file, 'it has a member beside accessKeyId, secretAccessKey and sessionToken')
  if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string')
    throw malformed(file, 'it lacks `accessKeyId` or `secretAccessKey`')
  if (sessionToken === undefined) return { accessKeyId, secretAccessKey }
  if (typeof sessionToken !== 'string') throw malformed(file, '`sessionToken` is no text')
  return { accessKeyId, secretAccessKey, sessionToken }
}

function parseOf(file: string, text: string): Json {
  try {
    return parseJson(text)
  } catch (error) {
    // Without its cause: what stands there is a secret.
    if (isQipError(error)) throw malformed(file, 'it is no JSON')
    throw error
  }
}

function malformed(file: string, reason: string): MirrorError {
  return new MirrorError('QIP_MIRROR_FILE_MALFORMED', { file, reason })
}
