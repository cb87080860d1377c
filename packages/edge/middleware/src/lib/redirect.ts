import { isReserved } from './fields.ts'
import { removeTracestateHint } from '@quantum-ip/token'

/** Redirects that one call follows (Fetch standard, section 4.4, HTTP-redirect fetch). */
export const redirectsMax = 20

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** What is known of the request that was answered. */
export interface Answered {
  readonly request: Request
  /** The same with its body unread; absent where the body cannot be sent again. */
  readonly kept: Request | undefined
}

/**
 * The request that a redirect asks for, or `undefined` where the response is none. As the Fetch standard has it (section 4.4): 303, and
 * 301 and 302 after POST, become GET. To another origin no credentials go, and nothing of ours.
 *
 * @throws {TypeError} where the body would have to be sent again and cannot, and for a target that is not HTTP.
 */
export function nextHop(response: Response, { request, kept }: Answered): Request | undefined {
  const location = redirects.has(response.status) ? response.headers.get('location') : null
  if (location === null) return undefined
  const url = new URL(location, request.url)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new TypeError('fetch failed: a redirect to what is not HTTP')
  }
  const { status } = response
  const isGet = request.method === 'GET' || request.method === 'HEAD'
  const becomesGet =
    (status === 303 && !isGet) || ((status === 301 || status === 302) && request.method === 'POST')
  const headers = new Headers(request.headers)
  if (url.origin !== new URL(request.url).origin) dropSecrets(headers)
  const { signal } = request
  if (becomesGet) {
    for (const name of contentFields) headers.delete(name)
    return new Request(url, { method: 'GET', headers, signal })
  }
  if (isGet) return new Request(url, { method: request.method, headers, signal })
  if (kept === undefined)
    throw new TypeError('fetch failed: a redirect after a body that cannot be sent again')
  return new Request(url, {
    method: request.method,
    headers,
    signal,
    body: kept.body,
    duplex: 'half',
  })
}

const contentFields = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-type',
]

function dropSecrets(headers: Headers): void {
  for (const name of ['authorization', 'cookie', 'proxy-authorization']) headers.delete(name)
  const rest = removeTracestateHint(headers.get('tracestate') ?? '')
  const traceparent = headers.get('traceparent')
  const names = [...headers.keys()].filter((name) => isReserved(name))
  for (const name of names) headers.delete(name)
  if (traceparent !== null) headers.set('traceparent', traceparent)
  if (rest !== '') headers.set('tracestate', rest)
}

/** Whether a body is there as a whole: a stream can be sent once. */
export function isReplayable(body: unknown): boolean {
  return !(body instanceof ReadableStream) && !isIterator(body)
}

function isIterator(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body
}
