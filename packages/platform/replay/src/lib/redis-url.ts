import { ReplayError } from '../replay-errors.ts'

/** One node of a Redis, as its URL names it. */
export interface RedisNode {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
}

/**
 * Parses what a `urlFile` holds: one URL on each line, empty lines and those with `#` left out.
 *
 * @throws {ReplayError} `QIP_REPLAY_URL_INVALID`, without the text: it holds a password.
 */
export function parseRedisUrls(text: string): readonly RedisNode[] {
  const lines = text.split('\n').map((line) => line.trim())
  const nodes = lines.filter((line) => line !== '' && !line.startsWith('#')).map(parseRedisUrl)
  if (nodes.length === 0) throw invalid('there is none')
  return nodes
}

function parseRedisUrl(text: string): RedisNode {
  const url = URL.parse(text)
  if (url === null) throw invalid('not a URL')
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:')
    throw invalid('it begins with neither `redis://` nor `rediss://`')
  if (url.hostname === '') throw invalid('it names no host')
  if (url.search !== '' || url.hash !== '')
    throw invalid('it has a `?` or `#`; write those of a password as `%3F` and `%23`')
  const path = /^\/?([0-9]{0,4})$/.exec(url.pathname)
  if (path === null) throw invalid('its path is not the number of a database')
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    tls: url.protocol === 'rediss:',
    username: url.username === '' ? undefined : decoded(url.username),
    password: url.password === '' ? undefined : decoded(url.password),
    database: Number(path[1] ?? 0),
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('a `%` is not followed by two hexadecimal digits')
  }
}

function invalid(reason: string): ReplayError {
  return new ReplayError('QIP_REPLAY_URL_INVALID', { reason })
}
