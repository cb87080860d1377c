import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isQipError, parseBase64url, parseJson } from '@quantum-ip/base'
import { jwkThumbprint, sha256 } from '@quantum-ip/crypto'
import type { Confirmation } from '@quantum-ip/token'
import { CliError } from '../cli-errors.ts'
import { parseWord } from './command.ts'

/** What tokens are bound to, as a command is told; one of them at most. */
export interface ConfirmationOptions {
  readonly jkt?: string
  readonly bindKey?: string
  readonly bindCertificate?: string
}

/**
 * What tokens are to be bound to, or `undefined`. Of a file only the thumbprint is taken; a private key goes nowhere.
 *
 * @throws {CliError} `QIP_CLI_USAGE` for two of them, or a file that is not there or holds something else.
 */
export async function confirmationOf(options: ConfirmationOptions): Promise<Confirmation | undefined> {
  const { jkt, bindKey, bindCertificate } = options
  const given = [jkt, bindKey, bindCertificate].filter((value) => value !== undefined)
  if (given.length > 1)
    throw usage('a token is bound to one thing', 'one of --jkt, --bind-key, --bind-certificate')
  if (jkt !== undefined) return { jkt: parseWord('--jkt', () => parseBase64url(jkt)) }
  if (bindKey !== undefined) return { jkt: await keyThumbprint(bindKey) }
  return bindCertificate === undefined ? undefined : { x5tS256: await certificateThumbprint(bindCertificate) }
}

async function keyThumbprint(file: string): Promise<Uint8Array> {
  const text = await readText('--bind-key', file)
  try {
    return parseBase64url(jwkThumbprint(parseJson(text)))
  } catch (error) {
    if (!isQipError(error)) throw error
    throw usage('--bind-key is not a file with a JWK')
  }
}

async function certificateThumbprint(file: string): Promise<Uint8Array> {
  const text = await readText('--bind-certificate', file)
  try {
    return sha256(new X509Certificate(text).raw)
  } catch {
    throw usage('--bind-certificate is not a file with a certificate in PEM')
  }
}

async function readText(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch {
    throw usage(`the file of ${option} cannot be read`)
  }
}

function usage(reason: string, next?: string): CliError {
  return new CliError('QIP_CLI_USAGE', { reason, next })
}
