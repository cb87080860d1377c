import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { HttpError } from '../http-errors.ts'
import { problemHeaders, problemOf } from '../problem.ts'
import type { ServerLimits } from '../server-options.ts'
import { systemCode } from './file-reason.ts'
import type { SocketLoad } from './socket-load.ts'

/** What {@link answerClientError} takes. */
export interface ClientErrorOptions {
  readonly error: Error
  readonly socket: Socket
  readonly load: SocketLoad
  readonly limits: ServerLimits
}

/**
 * Answers what Node's parser could not read as a request, and closes the connection.
 *
 * Only where no response is under way on it: a second one, out of turn, would be taken for the first.
 */
export function answerClientError({ error, socket, load, limits }: ClientErrorOptions): void {
  const shown = clientError(systemCode(error), limits)
  if (shown === undefined || !socket.writable || load.of(socket) > 0) {
    socket.destroy()
    return
  }
  const problem = problemOf(shown)
  const body = JSON.stringify(problem)
  const head = [`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`]
  for (const [name, value] of Object.entries(problemHeaders(shown))) head.push(`${name}: ${value}`)
  head.push(`content-length: ${Buffer.byteLength(body)}`, 'connection: close')
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}

function clientError(code: string | undefined, limits: ServerLimits): HttpError | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new HttpError('QIP_HTTP_HEADERS_TOO_LARGE', { reason: `more than ${limits.headerBytesMax} bytes` })
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new HttpError('QIP_HTTP_REQUEST_TIMEOUT', {})
  // HPE_… are the parser's own words for what it met; anything else is a broken connection or handshake.
  if (code?.startsWith('HPE_') !== true) return undefined
  const reason = code.slice(4).toLowerCase().replaceAll('_', ' ')
  return new HttpError('QIP_HTTP_REQUEST_MALFORMED', { reason })
}
