import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bundlePath, type TileLogToVerify, tilePath } from '@quantum-ip/log'
import { CliError } from '../cli-errors.ts'
import { fileReason } from './files.ts'

/** Where a tile-based log is read: what `verifyTileLog` takes, but for the keys. */
export type LogSource = Pick<TileLogToVerify, 'readCheckpoint' | 'readTile' | 'readEntries'>

/** A full entry bundle: 256 entries of 65,535 bytes, each behind its length. */
const fileBytesMax = 256 * 65_537
const timeoutMs = 30_000

/** Reads one file of a log by its path below the log's prefix; `undefined` if there is none. */
type ReadPath = (path: string) => Promise<Uint8Array | undefined>

/** A log in a directory, laid out as c2sp.org/tlog-tiles has it. */
export function openLogFolder(directory: string): LogSource {
  return sourceOf(async (path) => {
    const file = join(directory, path)
    try {
      return await readFile(file)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw new CliError('QIP_CLI_LOG_UNREADABLE', { path: file, reason: fileReason(cause) }, { cause })
    }
  }, directory)
}

/** A log behind a URL, as c2sp.org/tlog-tiles serves it. Redirects are not followed. */
export function openLogUrl(url: string): LogSource {
  const prefix = parsePrefix(url)
  return sourceOf((path) => fetchPath(new URL(path, prefix)), prefix.href)
}

/** A log whose files are read in some other way: over a Unix socket, for example. */
export function sourceOf(read: ReadPath, place: string): LogSource {
  const need = async (path: string): Promise<Uint8Array> => {
    const bytes = await read(path)
    if (bytes !== undefined) return bytes
    throw new CliError('QIP_CLI_LOG_UNREADABLE', { path: place, reason: `\`${path}\` is not there` })
  }
  // A log that has grown may serve the full file only.
  const either = async (part: string, full: string): Promise<Uint8Array> =>
    part === full ? need(full) : ((await read(part)) ?? need(full))
  return {
    readCheckpoint: () => need('checkpoint'),
    readTile: (tile) => either(tilePath(tile), tilePath({ ...tile, width: 256 })),
    readEntries: (bundle) => either(bundlePath(bundle), bundlePath({ ...bundle, width: 256 })),
  }
}

function parsePrefix(url: string): URL {
  const prefix = URL.parse(url.endsWith('/') ? url : `${url}/`)
  if (prefix === null || !/^https?:$/.test(prefix.protocol)) {
    throw new CliError('QIP_CLI_LOG_UNREADABLE', {
      path: url.slice(0, 256),
      reason: 'it is no http or https URL',
    })
  }
  return prefix
}

async function fetchPath(url: URL): Promise<Uint8Array | undefined> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
    if (response.status === 404) {
      await response.body?.cancel()
      return undefined
    }
    if (!response.ok) {
      await response.body?.cancel()
      throw new CliError('QIP_CLI_LOG_UNREADABLE', { path: url.href, reason: `status ${response.status}` })
    }
    return await readLimited(response, url)
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    throw new CliError(
      'QIP_CLI_UNREACHABLE',
      { what: `\`${url.origin}\``, reason: fetchReason(cause) },
      { cause },
    )
  }
}

async function readLimited(response: Response, url: URL): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > fileBytesMax) {
      throw new CliError('QIP_CLI_LOG_UNREADABLE', { path: url.href, reason: 'a file is too long for a log' })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

function fetchReason(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(inner instanceof Error)) return 'the connection failed'
  if (inner.name === 'TimeoutError') return `no answer within ${timeoutMs / 1_000} s`
  return 'code' in inner && typeof inner.code === 'string' ? fileReason(inner) : 'the connection failed'
}
