import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isQipError, type Json, parseJson, parseUtf8 } from '@quantum-ip/base'
import { CliError } from '../cli-errors.ts'

const words: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is no directory',
  EEXIST: 'it exists already',
  ENOSPC: 'the disk is full',
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the name does not resolve',
  ECONNRESET: 'the connection was reset',
}

/** Why the operating system refused, in words. */
export function fileReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  return words[code] ?? code
}

/** What a file is for, and how much of it is read. */
export interface FileToRead {
  readonly path: string
  /** In errors: `evidence file`. */
  readonly what: string
  /** Default 4 MiB. */
  readonly bytesMax?: number
}

const bytesMaxDefault = 4_194_304

/**
 * Reads a file that the user named.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE`
 */
export async function readBytes({ path, what, bytesMax = bytesMaxDefault }: FileToRead): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size > bytesMax) {
      const reason = `it has more than ${bytesMax} bytes`
      throw new CliError('QIP_CLI_FILE_UNREADABLE', { path, what, reason })
    }
    return await readFile(path)
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw new CliError('QIP_CLI_FILE_UNREADABLE', { path, what, reason: fileReason(cause) }, { cause })
  }
}

/** {@link readBytes} as text. @throws {CliError} also `QIP_CLI_FILE_MALFORMED` for what is not UTF-8 */
export async function readText(file: FileToRead): Promise<string> {
  const bytes = await readBytes(file)
  return malformedAs(file, () => parseUtf8(bytes))
}

/** {@link readText} as strict JSON. @throws {CliError} also `QIP_CLI_FILE_MALFORMED` */
export async function readJson(file: FileToRead): Promise<Json> {
  const text = await readText(file)
  return malformedAs(file, () => parseJson(text))
}

/** Runs a parser over what stands in a file, and names the file where it refuses. @throws {CliError} `QIP_CLI_FILE_MALFORMED` */
export function malformedAs<Value>({ path, what }: FileToRead, parse: () => Value): Value {
  try {
    return parse()
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw new CliError('QIP_CLI_FILE_MALFORMED', { path, what, reason: cause.message }, { cause })
  }
}

/** A file to write. */
export interface FileToWrite {
  readonly path: string
  readonly what: string
  readonly content: string
  /** Only its owner may read it, and nothing is written over. */
  readonly secret?: boolean
}

/**
 * Writes a file, and makes its folder.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNWRITABLE`
 */
export async function writeText({ path, what, content, secret = false }: FileToWrite): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content, secret ? { mode: 0o600, flag: 'wx' } : {})
  } catch (cause) {
    throw new CliError('QIP_CLI_FILE_UNWRITABLE', { path, what, reason: fileReason(cause) }, { cause })
  }
}

/**
 * The first line of a file, as a passphrase.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · `QIP_CLI_FILE_MALFORMED` if it is empty
 */
export async function readPassphrase(path: string): Promise<string> {
  const text = await readText({ path, what: 'passphrase', bytesMax: 4_096 })
  const [passphrase = ''] = text.split(/\r?\n/, 1)
  if (passphrase !== '') return passphrase
  throw new CliError('QIP_CLI_FILE_MALFORMED', {
    path,
    what: 'passphrase',
    reason: 'its first line is empty',
  })
}
