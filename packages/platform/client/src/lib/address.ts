import { isIP } from 'node:net'
import { ClientError } from '../client-errors.ts'

/** Where one authority listens. */
export interface Address {
  /** As it was written, for people. */
  readonly text: string
  /** Scheme, host and port. */
  readonly origin: string
  /** Path of a Unix socket. */
  readonly socketPath?: string
  readonly isTls: boolean
}

/**
 * Reads the address of an authority: `https://host:port`, `http://host:port` or `unix:/path`.
 *
 * Plain HTTP carries session proofs and tokens in the clear, so it goes to this machine only, unless `plainHttp` says otherwise.
 *
 * @throws {ClientError} `QIP_CLIENT_ADDRESS_REFUSED`
 */
export function parseAddress(text: string, plainHttp: 'loopback' | 'anywhere' = 'loopback'): Address {
  if (text.startsWith('unix:')) return parseUnix(text)
  const url = URL.parse(text)
  if (url === null) throw refused(withoutUserinfo(text), 'it is no URL')
  const shown = `${url.protocol}//${url.host}`
  if (url.username !== '' || url.password !== '') throw refused(shown, 'it holds credentials')
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refused(shown, 'its scheme is another')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw refused(shown, 'something follows the port')
  }
  const isTls = url.protocol === 'https:'
  if (!isTls && plainHttp === 'loopback' && !isLoopback(url.hostname)) {
    throw refused(shown, 'it is plain HTTP to another machine, which nobody allowed')
  }
  return { text: shown, origin: url.origin, isTls }
}

function parseUnix(text: string): Address {
  const socketPath = text.slice('unix:'.length)
  if (!socketPath.startsWith('/') || socketPath.includes('\0')) {
    throw refused(text, 'the path of a Unix socket begins with `/`')
  }
  return { text, origin: 'http://localhost', socketPath, isTls: false }
}

function isLoopback(hostname: string): boolean {
  if (hostname === 'localhost' || hostname === '[::1]') return true
  return isIP(hostname) === 4 && hostname.startsWith('127.')
}

// Whatever stands before an `@` could be a password.
function withoutUserinfo(text: string): string {
  return text.slice(text.lastIndexOf('@') + 1).slice(0, 256)
}

function refused(address: string, reason: string): ClientError {
  return new ClientError('QIP_CLIENT_ADDRESS_REFUSED', { address, reason })
}
