import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseHex } from '@quantum-ip/base'
import { CliError } from '../cli-errors.ts'
import { fileReason } from './files.ts'

/** A build: what ran, or is to run. */
export interface Artifact {
  /** SHA-256, 32 bytes. */
  readonly build: Uint8Array
  /** The file's name; the digest where only that is known. */
  readonly name: string
}

/**
 * The artifact that an argument names: a file, which is hashed, or `sha256:<64 hex characters>` where it is known already
 * (container images are named by their manifest's digest).
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · `QIP_CLI_USAGE`
 */
export async function readArtifact(argument: string): Promise<Artifact> {
  if (argument.startsWith('sha256:')) return { build: parseDigest(argument), name: argument }
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(argument), hash)
  } catch (cause) {
    const details = { path: argument, what: 'artifact', reason: fileReason(cause) }
    throw new CliError('QIP_CLI_FILE_UNREADABLE', details, { cause })
  }
  return { build: new Uint8Array(hash.digest()), name: basename(argument) }
}

/**
 * A digest as people write it: `sha256:` and 64 hexadecimal characters, or only these.
 *
 * @throws {CliError} `QIP_CLI_USAGE`
 */
export function parseDigest(text: string): Uint8Array {
  const digits = text.replace(/^sha256:/, '').toLowerCase()
  if (/^[0-9a-f]{64}$/.test(digits)) return new Uint8Array(parseHex(digits))
  throw new CliError('QIP_CLI_USAGE', {
    reason: `\`${text.slice(0, 80)}\` is no SHA-256`,
    next: 'write `sha256:` and 64 hexadecimal characters',
  })
}
