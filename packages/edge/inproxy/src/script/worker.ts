import { HeldParts } from './held-parts.ts'
import { judgeToken, type ScriptInput, type ScriptVerdict } from './judge.ts'
import { type Outcome, outcomeOf, type ScriptMode, statusField } from './outcome.ts'
import { withoutHint } from './stripped.ts'
import { webPlatform } from './worker-platform.ts'

/** How {@link createEdgeHandler} verifies. */
export interface EdgeHandlerOptions {
  /** The service behind the handler: what tokens must be for. */
  readonly service: string
  /** Where the folder of `qip edge-state` is served, with a slash at its end. Over TLS: whoever answers there decides who is let in. */
  readonly stateUrl: string
  /** Sends on what is let through; it has lost its token and has a `Quantum-IP-Status`. */
  readonly upstream: (request: Request) => Promise<Response>
  /** Has a verifier decide what this one cannot, and sends it on there. Absent: refused. */
  readonly ask?: ((request: Request) => Promise<Response>) | undefined
  readonly mode?: ScriptMode | undefined
  /** How long a part of the state counts before it is asked for again. Default 1,000 ms. */
  readonly maxAgeMs?: number | undefined
  readonly fetch?: ((url: string) => Promise<Response>) | undefined
  readonly now?: (() => number) | undefined
}

/**
 * A handler of Web-standard requests that lets through what has a good token: the check of this package, with the held state fetched
 * part by part. Closed by default: what cannot be known is refused.
 */
export function createEdgeHandler(options: EdgeHandlerOptions): (request: Request) => Promise<Response> {
  const { mode = 'enforce', maxAgeMs = 1_000, now = Date.now, stateUrl } = options
  const fetchPart = options.fetch ?? ((url: string) => fetch(url))
  const parts = new HeldParts({ stateUrl, fetch: fetchPart, now, maxAgeMs })
  return async (request) => {
    const verdict = await judgeByParts(inputOf(request, options.service, now()), parts)
    const outcome = outcomeOf(verdict, mode, options.ask !== undefined)
    if (outcome === 'allow') return options.upstream(forwarded(request, verdict, mode))
    if (outcome === 'ask' && options.ask !== undefined) return options.ask(request)
    return refusedResponse(outcome)
  }
}

function inputOf(request: Request, service: string, nowMs: number): ScriptInput {
  const { headers, method } = request
  const url = new URL(request.url)
  return {
    token: headers.get('quantum-ip') ?? undefined,
    tracestate: headers.get('tracestate') ?? undefined,
    audience: service,
    nowMs,
    request: { method, authority: url.host, target: url.pathname + url.search },
    certificate: undefined,
  }
}

// A token takes at most its state, its head and what may revoke it and eight hops: a few names a round, in a few rounds.
const roundsMax = 8

/** Judges with the parts that are here, fetches those that were missed, and judges again until none is. */
async function judgeByParts(input: ScriptInput, parts: HeldParts): Promise<ScriptVerdict> {
  const known = new Map<string, string | undefined>()
  for (let round = 0; round < roundsMax; round++) {
    const missed = new Set<string>()
    const platform = webPlatform((name) => {
      if (!known.has(name)) missed.add(name)
      return known.get(name)
    })
    const verdict = judgeToken(input, platform)
    if (missed.size === 0) return verdict
    try {
      for (const name of missed) known.set(name, await parts.get(name))
    } catch {
      break
    }
  }
  return { reason: 'trust_stale', ask: false, claims: undefined }
}

function forwarded(request: Request, verdict: ScriptVerdict, mode: ScriptMode): Request {
  const headers = new Headers(request.headers)
  // In every spelling that somebody behind us could take for ours.
  const ours = /^quantum[^a-z0-9]ip(?:[^a-z0-9](?:head|status))?$/
  for (const name of Array.from(request.headers.keys())) if (ours.test(name)) headers.delete(name)
  const tracestate = withoutHint(headers.get('tracestate') ?? '')
  if (tracestate === '') headers.delete('tracestate')
  else headers.set('tracestate', tracestate)
  headers.set(
    'Quantum-IP-Status',
    statusField(
      verdict,
      'allow',
      mode,
      webPlatform(() => undefined),
    ),
  )
  return new Request(request, { headers })
}

function refusedResponse(outcome: Outcome): Response {
  const isToken = outcome === 'refuse'
  const status = isToken ? 401 : 503
  const code = isToken ? 'token_refused' : 'unverifiable'
  const title = isToken ? 'the call needs a token that holds' : 'the caller cannot be verified now'
  const headers = new Headers({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
  if (isToken) headers.set('WWW-Authenticate', `Quantum-IP error="${code}"`)
  return new Response(JSON.stringify({ status, title, code }), { status, headers })
}
