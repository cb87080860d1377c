import { type EdgeUpstream, forwardedRequest, refusedResponse, setOrDelete } from './worker-request.ts'

/** How {@link askVerifier} asks. */
export interface AskVerifierOptions {
  /** Where forward authentication is asked: `https://verifier.internal/original`. Whoever answers there decides who is let in. */
  readonly verifierUrl: string
  /** How long an answer may take; milliseconds. */
  readonly timeoutMs: number
  readonly fetch: (url: string, init?: RequestInit) => Promise<Response>
  readonly upstream: EdgeUpstream
}

const asked = ['quantum-ip', 'quantum-ip-head', 'workload-proof-token', 'traceparent', 'tracestate']
const shown = ['www-authenticate', 'retry-after', 'content-type', 'quantum-ip-decision']

/**
 * Has a verifier decide about a request (`qip serve --role forward-auth`, contract `/original`), and sends on what it lets through. Closed by
 * default: no answer in time, or any other than 200, 401 and 403, is a refusal.
 */
export async function askVerifier(request: Request, options: AskVerifierOptions): Promise<Response> {
  const signal = AbortSignal.timeout(options.timeoutMs)
  let answer: Response
  let body: string
  try {
    answer = await options.fetch(options.verifierUrl, {
      headers: questionOf(request),
      redirect: 'manual',
      signal,
    })
    body = await answer.text()
  } catch {
    return refusedResponse(false)
  }
  if (answer.status === 401 || answer.status === 403) return passedOn(answer, body)
  const action = answer.headers.get('quantum-ip-action')
  const status = answer.headers.get('quantum-ip-status')
  if (answer.status !== 200 || status === null) return refusedResponse(false)
  if (action !== 'allow' && action !== 'quarantine') return refusedResponse(false)
  const told = forwardedRequest(request, status)
  for (const name of ['traceparent', 'tracestate'])
    setOrDelete(told.headers, name, answer.headers.get(name) ?? '')
  return options.upstream(told, action)
}

function questionOf(request: Request): Headers {
  const { protocol, host, pathname, search } = new URL(request.url)
  const headers = new Headers({
    'x-original-method': request.method,
    'x-original-uri': pathname + search,
    'x-original-host': host,
    'x-original-proto': protocol.slice(0, -1),
  })
  for (const name of asked) setOrDelete(headers, name, request.headers.get(name) ?? '')
  return headers
}

function passedOn(answer: Response, body: string): Response {
  const headers = new Headers({ 'cache-control': 'no-store' })
  for (const name of shown) setOrDelete(headers, name, answer.headers.get(name) ?? '')
  return new Response(body, { status: answer.status, headers })
}
