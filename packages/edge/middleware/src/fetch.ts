import type { ServiceId } from '@quantum-ip/base'
import { type IssuedToken, proofFields, type TokenPool } from '@quantum-ip/client'
import type { ProofSigner } from '@quantum-ip/crypto'
import {
  addTracestateHint,
  asksForAnother,
  headerNames,
  proofHeaderName,
  readChallenge,
} from '@quantum-ip/token'
import { isReplayable, nextHop, redirectsMax } from './lib/redirect.ts'

/** How {@link createServiceFetch} calls a service. */
export interface ServiceFetchOptions {
  /** The service that is called: what the tokens are for. */
  readonly audience: ServiceId
  /** Where it is: `https://shop.example.com`. Tokens go there and to no other origin. */
  readonly origin: string
  /** Tokens for it: `openTokenPool` of `@quantum-ip/client`, many-use or one-time. */
  readonly tokens: Pick<TokenPool, 'take'> & Partial<Pick<TokenPool, 'discard'>>
  /** The key that the tokens are bound to: each request gets a proof of its own that the caller has it. Absent: none. */
  readonly signer?: ProofSigner
  /** `anywhere` sends tokens over plain HTTP to other machines. Default `loopback`. */
  readonly plainHttp?: 'loopback' | 'anywhere'
  /** Default: the global one, which is undici's. */
  readonly fetch?: typeof fetch
}

/**
 * A `fetch` that attaches tokens to requests to one service.
 *
 * - Each request to its origin gets a token, and the hint in `tracestate` that one was attached.
 * - With `signer` each also gets a proof of possession, for its very URL and good once: what is sent again has another.
 * - A 401 that asks for the token's head is answered once, with the same token and its staple, where the body can be sent again.
 * - An answer that says that the token does not hold, or is older than the memory of its receiver, is answered once with another, where the
 *   body can be sent again.
 * - Redirects are followed here: to another origin without the token, without any field of ours and without credentials.
 * - Requests to other origins go out as they are.
 *
 * @throws {TypeError} for an origin that is none, or that is plain HTTP on another machine. The `fetch` rejects with what the pool throws.
 */
export function createServiceFetch(options: ServiceFetchOptions): typeof fetch {
  const origin = checkedOrigin(options)
  return async (input, init) => {
    const first = new Request(input, init)
    const body = input instanceof Request && init?.body === undefined ? input.body : init?.body
    const call: Call = { options, origin, isReplayable: isReplayable(body), first }
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
  readonly options: ServiceFetchOptions
  readonly origin: string
  readonly isReplayable: boolean
  readonly first: Request
}

async function send(call: Call, request: Request): Promise<Response> {
  const { options, origin } = call
  const send = options.fetch ?? fetch
  if (new URL(request.url).origin !== origin) return send(request)
  const issued = await options.tokens.take()
  const again = call.isReplayable ? request.clone() : undefined
  const last = call.isReplayable ? request.clone() : undefined
  const response = await send(await withToken(request, issued, options))
  const answer = await withHead(response, { issued, again, options })
  if (last === undefined || !isTokenRefused(answer)) return answer
  if (options.tokens.discard?.(issued) !== true) return answer
  const other = await options.tokens.take().catch(() => issued)
  if (other === issued) return answer
  await answer.body?.cancel()
  // The last attempt: what a receiver might ask for is there from the start.
  if (other.staple !== undefined) last.headers.set(headerNames.head, other.staple)
  return send(await withToken(last, other, options))
}

interface Refused {
  readonly issued: IssuedToken
  /** The request once more; `undefined` where it cannot be sent again. */
  readonly again: Request | undefined
  readonly options: ServiceFetchOptions
}

async function withHead(response: Response, { issued, again, options }: Refused): Promise<Response> {
  if (again === undefined || issued.staple === undefined || !asksForHead(response)) return response
  const send = options.fetch ?? fetch
  await response.body?.cancel()
  // The same token: its head is what was asked for, and a one-time token is used up only by who could verify it.
  again.headers.set(headerNames.head, issued.staple)
  return send(await withToken(again, issued, options))
}

async function withToken(
  request: Request,
  { token }: IssuedToken,
  { audience, signer }: ServiceFetchOptions,
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

function checkedOrigin({ origin: text, plainHttp = 'loopback' }: ServiceFetchOptions): string {
  const { protocol, hostname, origin } = new URL(text)
  if (protocol === 'https:' || (protocol === 'http:' && plainHttp === 'anywhere')) return origin
  if (protocol === 'http:' && /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)) return origin
  throw new TypeError(
    `tokens are bearer secrets: \`${origin}\` is not https; \`plainHttp: 'anywhere'\` sends them all the same`,
  )
}
