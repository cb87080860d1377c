import { type IssuedToken, proofFields } from '@quantum-ip/client'
import {
  addTracestateHint,
  asksForAnother,
  headerNames,
  proofHeaderName,
  readChallenge,
} from '@quantum-ip/token'
import type { CalledService, CalledServices, PlainHttp } from './called-service.ts'
import { serviceOrigins } from './lib/service-origins.ts'
import { isReplayable, nextHop, redirectsMax } from './lib/redirect.ts'

interface SendingOptions {
  /** `anywhere` sends tokens over plain HTTP to other machines. Default `loopback`. */
  readonly plainHttp?: PlainHttp
  /** Default: the global one, which is undici's. */
  readonly fetch?: typeof fetch
}

/** How {@link createServiceFetch} calls one service. */
export interface ServiceFetchOptions extends CalledService, SendingOptions {
  /** Where it is: `https://shop.example.com`. Tokens go there and to no other origin. */
  readonly origin: string
}

/** How {@link createServiceFetch} calls several. */
export interface ServicesFetchOptions extends SendingOptions {
  /** Which service is at which origin: the tokens of each go to its own origin only. */
  readonly services: CalledServices
}

/**
 * A `fetch` that attaches tokens to requests to one service, or to several by their origins.
 *
 * - Each request to such an origin gets a token for the service there, and the hint in `tracestate` that one was attached.
 * - With `signer` each also gets a proof of possession, for its very URL and good once: what is sent again has another.
 * - A 401 that asks for the token's head is answered once, with the same token and its staple, where the body can be sent again.
 * - An answer that says that the token does not hold, or is older than the memory of its receiver, is answered once with another, where the
 *   body can be sent again.
 * - Redirects are followed here: to another origin without the token, without any field of ours and without credentials.
 * - Requests to other origins go out as they are.
 *
 * @throws {TypeError} for an origin that is none, or that is plain HTTP on another machine. The `fetch` rejects with what the pool throws.
 */
export function createServiceFetch(options: ServiceFetchOptions | ServicesFetchOptions): typeof fetch {
  const called = 'services' in options ? options.services : { [options.origin]: options }
  const services = serviceOrigins(called, options.plainHttp)
  return async (input, init) => {
    const first = new Request(input, init)
    const body = input instanceof Request && init?.body === undefined ? input.body : init?.body
    const call: Call = { fetch: options.fetch, services, isReplayable: isReplayable(body) }
    if (first.redirect !== 'follow') return send(call, first)
    let request = first
    for (let hops = 0; ; hops++) {
      // What is sent again is kept: a body that is replayable is in memory already.
      const kept = call.isReplayable ? request.clone() : undefined
      const response = await send(call, new Request(request, { redirect: 'manual' }))
      const next = nextHop(response, { request, kept })
      if (next === undefined) return response
      await response.body?.cancel()
      if (hops === redirectsMax) throw new TypeError('fetch failed: too many redirects')
      request = next
    }
  }
}

interface Call {
  readonly fetch: typeof fetch | undefined
  readonly services: ReadonlyMap<string, CalledService>
  readonly isReplayable: boolean
}

async function send(call: Call, request: Request): Promise<Response> {
  const send = call.fetch ?? fetch
  const service = call.services.get(new URL(request.url).origin)
  if (service === undefined) return send(request)
  const { tokens } = service
  const issued = await orAborted(tokens.take(), request.signal)
  const again = call.isReplayable ? request.clone() : undefined
  const last = call.isReplayable ? request.clone() : undefined
  const response = await send(await withToken(request, issued, service))
  const answer = await withHead(response, { issued, again, service, send })
  if (last === undefined || !isTokenRefused(answer)) return answer
  if (tokens.discard?.(issued) !== true) return answer
  const other = await orAborted(tokens.take(), request.signal).catch(() => issued)
  if (other === issued) return answer
  await answer.body?.cancel()
  // The last attempt: what a receiver might ask for is there from the start.
  if (other.staple !== undefined) last.headers.set(headerNames.head, other.staple)
  return send(await withToken(last, other, service))
}

interface Refused {
  readonly issued: IssuedToken
  /** The request once more; `undefined` where it cannot be sent again. */
  readonly again: Request | undefined
  readonly service: CalledService
  readonly send: typeof fetch
}

async function withHead(response: Response, { issued, again, service, send }: Refused): Promise<Response> {
  if (again === undefined || issued.staple === undefined || !asksForHead(response)) return response
  await response.body?.cancel()
  // The same token: its head is what was asked for, and a one-time token is used up only by who could verify it.
  again.headers.set(headerNames.head, issued.staple)
  return send(await withToken(again, issued, service))
}

async function withToken(
  request: Request,
  { token }: IssuedToken,
  { audience, signer }: CalledService,
): Promise<Request> {
  const { headers, url } = request
  headers.set(headerNames.token, token)
  // A proof of the caller's own making would be for another token.
  headers.delete(proofHeaderName)
  if (signer !== undefined) {
    const fields = await proofFields({ signer, token, url })
    headers.set(proofHeaderName, fields[proofHeaderName] as string)
  }
  headers.set('tracestate', addTracestateHint(headers.get('tracestate') ?? '', audience))
  return request
}

function isTokenRefused({ status, headers }: Response): boolean {
  return asksForAnother(status, headers.get('www-authenticate') ?? '')
}

function asksForHead(response: Response): boolean {
  if (response.status !== 401) return false
  return readChallenge(response.headers.get('www-authenticate') ?? '')?.head === 'required'
}

// A pool may wait for an authority for long; who gives up does not.
function orAborted<Value>(taken: Promise<Value>, signal: AbortSignal): Promise<Value> {
  if (signal.aborted) {
    taken.catch(() => undefined)
    return Promise.reject(signal.reason)
  }
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason)
    signal.addEventListener('abort', giveUp, { once: true })
    void taken.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })
}
