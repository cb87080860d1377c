import { withoutHint } from './stripped.ts'

/** How a request goes on: `quarantine` where the policy of a verifier that was asked says so. */
export type EdgeAction = 'allow' | 'quarantine'

/** Sends on what is let through. */
export type EdgeUpstream = (request: Request, action: EdgeAction) => Promise<Response>

// In every spelling that somebody behind us could take for ours; nothing of a token or of a proof goes further.
const ours =
  /^(?:quantum[^a-z0-9]ip(?:[^a-z0-9](?:head|status|action))?|workload[^a-z0-9]proof[^a-z0-9]token)$/

/** The request as it goes on: without its token, with what was found in `Quantum-IP-Status`. */
export function forwardedRequest(request: Request, status: string): Request {
  const headers = new Headers(request.headers)
  for (const name of Array.from(request.headers.keys())) if (ours.test(name)) headers.delete(name)
  setOrDelete(headers, 'tracestate', withoutHint(headers.get('tracestate') ?? ''))
  headers.set('Quantum-IP-Status', status)
  return new Request(request, { headers })
}

/** Sets a field; an empty value takes it off. */
export function setOrDelete(headers: Headers, name: string, value: string): void {
  if (value === '') headers.delete(name)
  else headers.set(name, value)
}

/** A refusal by this handler itself: 401 where a token that holds would help, else 503. */
export function refusedResponse(isToken: boolean): Response {
  const status = isToken ? 401 : 503
  const code = isToken ? 'token_refused' : 'unverifiable'
  const title = isToken ? 'the call needs a token that holds' : 'the caller cannot be verified now'
  const headers = new Headers({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
  if (isToken) headers.set('WWW-Authenticate', `Quantum-IP error="${code}"`)
  return new Response(JSON.stringify({ status, title, code }), { status, headers })
}
