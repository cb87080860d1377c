import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { isQipError } from '@quantum-ip/base'
import { AuthorityError } from '../authority-errors.ts'
import { syncFolder } from '../store/durable-file.ts'

// A batch of 65,536 tokens is one row, of 3.5 MB.
const lineCharsMax = 64 * 1_048_576

/**
 * Writes the lines of a backup into a file, compressed (gzip), for its owner alone: whole and durable, or not at all.
 *
 * @returns its bytes
 * @throws {AuthorityError} `QIP_AUTHORITY_STORE_UNAVAILABLE`
 */
export async function writeBackupFile(
  file: string,
  lines: AsyncIterable<string | Uint8Array>,
): Promise<number> {
  const draft = `${file}.draft`
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    // The fastest level: most of a log is hashes, which nothing makes smaller.
    await pipeline(
      Readable.from(lines),
      createGzip({ level: 1 }),
      createWriteStream(draft, { mode: 0o600, flush: true }),
    )
    await rename(draft, file)
    await syncFolder(dirname(file))
    return (await stat(file)).size
  } catch (cause) {
    await rm(draft, { force: true })
    const { code } = cause as { code?: string }
    if (isQipError(cause) || code === undefined) throw cause
    const reason = `\`${file}\` cannot be written: ${code}`
    throw new AuthorityError('QIP_AUTHORITY_STORE_UNAVAILABLE', { reason }, { cause })
  }
}

/**
 * The lines of a backup file.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_BACKUP_DAMAGED` for what is no such file, or only the beginning of one
 */
export async function* readBackupFile(file: string): AsyncGenerator<string> {
  const plain = createGunzip()
  const zipped = createReadStream(file).on('error', (error) => plain.destroy(error))
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  try {
    for await (const chunk of zipped.pipe(plain)) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > lineCharsMax) throw new TypeError('a line is too long')
      yield* lines
    }
    if (rest !== '') yield rest
  } catch (cause) {
    if (isQipError(cause)) throw cause
    const { code, message } = cause as { code?: string; message?: string }
    const reason = `\`${file}\` cannot be read: ${code ?? message ?? 'unknown'}`
    throw new AuthorityError('QIP_AUTHORITY_BACKUP_DAMAGED', { reason }, { cause })
  } finally {
    zipped.destroy()
  }
}
