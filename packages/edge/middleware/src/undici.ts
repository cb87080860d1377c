import { type IssuedToken, proofFields } from '@quantum-ip/client'
import { headerNames, proofHeaderName } from '@quantum-ip/token'
import type { Dispatcher } from 'undici'
import type { CalledService, CalledServices, PlainHttp } from './called-service.ts'
import { ChallengedHandler } from './lib/challenged-handler.ts'
import { serviceOrigins } from './lib/service-origins.ts'
import { type UndiciFields, withHint, withoutOurs } from './lib/undici-fields.ts'
import { WaitingController } from './lib/waiting-controller.ts'

/** How {@link undiciInterceptor} calls services. */
export interface UndiciInterceptorOptions {
  /** Which service is at which origin. */
  readonly services: CalledServices
  /** `anywhere` sends tokens over plain HTTP to other machines. Default `loopback`. */
  readonly plainHttp?: PlainHttp
}

type Options = Dispatcher.DispatchOptions
type Handler = Dispatcher.DispatchHandler

/**
 * An interceptor for undici 8: `new Agent().compose(undiciInterceptor({ services }))`, or of a `Pool` or `Client`.
 *
 * - Each request to one of these origins gets a token for its service, the hint in `tracestate` and, with `signer`, a proof of possession.
 * - A 401 that asks for the token's head is answered once, with the same token and its staple, where the body can be sent again: none, a
 *   string, bytes, a `Blob` or a form.
 * - Requests to other origins lose every field of ours, whoever wrote it.
 *
 * Compose it **first**: interceptors for retries and redirects are then around it, and each attempt and each hop gets a token for where
 * it goes. One for redirects that is within follows none from these origins, since it would take the token along.
 *
 * @throws {TypeError} for an origin that is none, or that is plain HTTP on another machine. Requests fail with what the pool throws.
 */
export function undiciInterceptor(
  options: UndiciInterceptorOptions,
): Dispatcher.DispatcherComposeInterceptor {
  const services = serviceOrigins(options.services, options.plainHttp)
  return (dispatch: Dispatcher.Dispatch, own?: string | null) => (asked, handler) => {
    const fields = withoutOurs(asked.headers)
    const origin = originOf(asked, own)
    const service = origin === undefined ? undefined : services.get(origin)
    if (service === undefined) return dispatch({ ...asked, headers: fields }, handler)
    // `maxRedirections` is what an interceptor within reads.
    const sent = { ...asked, maxRedirections: 0 }
    const call: Call = { asked: sent, handler, dispatch, service, fields, url: `${origin}${asked.path}` }
    const waiting = new WaitingController(handler)
    if (!waiting.aborted) void send(call, waiting)
    return true
  }
}

interface Call {
  readonly asked: Options
  readonly handler: Handler
  readonly dispatch: Dispatcher.Dispatch
  readonly service: CalledService
  readonly fields: UndiciFields
  readonly url: string
}

/** Sends a call with another token, or, where one was challenged, with that one and its staple. Never rejects: who called is told. */
async function send(call: Call, waiting: WaitingController, challenged?: IssuedToken): Promise<void> {
  const { asked, handler, dispatch, service } = call
  try {
    const issued = challenged ?? (await service.tokens.take())
    const fields = await withToken(call, issued)
    if (waiting.aborted) return
    const { staple } = issued
    const canAnswer = challenged === undefined && staple !== undefined && isReplayable(asked.body)
    // The same token: its head is what was asked for, and a one-time token is used up only by who could verify it.
    const again = (): void => void send(call, new WaitingController(handler), issued)
    const headers = challenged === undefined ? fields : { ...fields, [headerNames.head]: staple as string }
    dispatch({ ...asked, headers }, new ChallengedHandler(handler, waiting, canAnswer ? again : undefined))
  } catch (error) {
    waiting.fail(error)
  }
}

async function withToken({ service, fields, url }: Call, { token }: IssuedToken): Promise<UndiciFields> {
  const { audience, signer } = service
  const proof = signer === undefined ? {} : await proofFields({ signer, token, url })
  const { [proofHeaderName]: value } = proof
  return {
    ...withHint(fields, audience),
    [headerNames.token]: token,
    ...(value !== undefined && { [proofHeaderName]: value }),
  }
}

// Where a request goes; `undefined` where that cannot be said: through a tunnel, by a proxy that is told a whole URL, or where a `Pool`
// leads elsewhere than the request says. A pool tells where it leads, one over several origins tells `null`.
function originOf({ origin, path, method }: Options, own: string | null | undefined): string | undefined {
  const isPlain = method !== 'CONNECT' && path.startsWith('/') && own !== null
  if (!isPlain || origin === undefined || !URL.canParse(String(origin))) return undefined
  const named = new URL(origin).origin
  return own === undefined || new URL(own).origin === named ? named : undefined
}

function isReplayable(body: unknown): boolean {
  return (
    body === undefined ||
    body === null ||
    typeof body === 'string' ||
    ArrayBuffer.isView(body) ||
    body instanceof ArrayBuffer ||
    body instanceof Blob ||
    body instanceof FormData
  )
}
