import type { IncomingMessage } from 'node:http'
import { parseAddress } from './lib/address.ts'
import { connectionFailure, unavailable } from './lib/failure.ts'
import { problemBytesMax, refusedAnswer } from './lib/problem.ts'
import { readBody } from './lib/read-body.ts'
import type { AuthorityAnswer, AuthorityRequest, Requester } from './request.ts'
import type { TransportOptions } from './transport.ts'

/** What {@link createLeanRequester} knows of {@link TransportOptions}. */
export type LeanRequesterOptions = Pick<
  TransportOptions,
  'ca' | 'timeoutMs' | 'requirePostQuantum' | 'plainHttp'
> & { readonly url: string }

const answerBytesDefault = 1_048_576

// An `import` of node:http lists all that it exports, `WebSocket` among them, and so loads Node's whole undici: 39 ms of processor
// time, against 4 ms this way. And who asks over plain HTTP needs no TLS.
const http = () => process.getBuiltinModule('node:http')
const https = () => process.getBuiltinModule('node:https')

/**
 * A way to one address in Node's own HTTP client, for processes whose start must cost little: `openTransport` brings a client of 730 KB. One
 * attempt for each request, over TLS 1.3 as there; no streams, no connections kept.
 *
 * @throws {ClientError} `QIP_CLIENT_ADDRESS_REFUSED`
 */
export function createLeanRequester(options: LeanRequesterOptions): Requester {
  const { ca, timeoutMs: timeoutDefaultMs = 10_000, requirePostQuantum = false } = options
  const address = parseAddress(options.url, options.plainHttp)
  const { origin, socketPath, isTls, text } = address
  const agent = isTls
    ? new (https().Agent)({
        minVersion: 'TLSv1.3',
        ecdhCurve: requirePostQuantum ? 'X25519MLKEM768' : 'X25519MLKEM768:X25519',
        ...(ca !== undefined && { ca: typeof ca === 'string' ? ca : [...ca] }),
      })
    : undefined

  function send(request: AuthorityRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const { method, target, body, contentType = 'application/json', headers, authorize } = request
    return new Promise((resolve, reject) => {
      const sent = (isTls ? https() : http()).request(
        origin + target,
        {
          method,
          signal,
          ...(agent === undefined ? { agent: false, socketPath } : { agent }),
          headers: {
            accept: 'application/json',
            ...(body !== undefined && { 'content-type': contentType, 'content-length': body.length }),
            ...headers,
            ...(authorize !== undefined && { authorization: authorize() }),
          },
        },
        resolve,
      )
      sent.on('error', reject)
      sent.end(body)
    })
  }

  async function answer(request: AuthorityRequest, signal: AbortSignal): Promise<AuthorityAnswer> {
    const { operation, answerBytesMax = answerBytesDefault } = request
    const response = await send(request, signal)
    const { statusCode: status = 0, headers } = response
    const [mediaType = ''] = (headers['content-type'] ?? '').toLowerCase().split(';')
    const isGood = status >= 200 && status < 300
    const bytesMax = isGood ? answerBytesMax : problemBytesMax
    const announced = headers['content-length']
    const body = await readBody({ body: response, announced, bytesMax, operation })
    if (isGood) return { status, mediaType: mediaType.trim(), body }
    const retryAfter = headers['retry-after']
    throw refusedAnswer({ status, mediaType: mediaType.trim(), body, retryAfter }, operation).error
  }

  return {
    async request(request) {
      const { operation, timeoutMs = timeoutDefaultMs, signal } = request
      const late = AbortSignal.timeout(timeoutMs)
      try {
        return await answer(request, signal === undefined ? late : AbortSignal.any([late, signal]))
      } catch (error) {
        if (late.aborted) throw unavailable(operation, `no answer within ${timeoutMs} ms`)
        throw connectionFailure(error, operation, text).error
      }
    },
    stream: () => Promise.reject(new TypeError('a lean requester has no streams')),
  }
}
