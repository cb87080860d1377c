import { askVerifier } from './ask-verifier.ts'
import { HeldParts } from './held-parts.ts'
import { judgeToken, type ScriptInput, type ScriptVerdict } from './judge.ts'
import { type Outcome, outcomeOf, type ScriptMode, statusField } from './outcome.ts'
import { webPlatform } from './worker-platform.ts'
import { type EdgeUpstream, forwardedRequest, refusedResponse } from './worker-request.ts'

/** How {@link createEdgeHandler} verifies. */
export interface EdgeHandlerOptions {
  /** The service behind the handler: what tokens must be for. */
  readonly service: string
  /** Where the folder of `qip edge-state` is served, with a slash at its end. Over TLS: whoever answers there decides who is let in. */
  readonly stateUrl: string
  /** Sends on what is let through; it has lost its token and has a `Quantum-IP-Status`. */
  readonly upstream: EdgeUpstream
  /**
   * Where forward authentication (`/original`) decides what this handler cannot: `https://verifier.internal/original`. Over TLS, as
   * above. Absent: such requests are refused.
   */
  readonly verifierUrl?: string | undefined
  /** How long the verifier may take. Default 1,000 ms. */
  readonly verifierTimeoutMs?: number | undefined
  /** `always`: the verifier decides about each request, where a policy has rules. Default `when needed`. */
  readonly asks?: 'when needed' | 'always' | undefined
  /** `allow`: the attestation of a build may go unchecked. Default `ask`: a verifier checks it. */
  readonly shallow?: 'ask' | 'allow' | undefined
  /** Whole paths that pass without a token: health checks. */
  readonly exempt?: readonly string[] | undefined
  readonly mode?: ScriptMode | undefined
  /** How long a part of the state counts before it is asked for again. Default 1,000 ms. */
  readonly maxAgeMs?: number | undefined
  /** Told of each request that this handler judges: reason and outcome, and nothing of the token. */
  readonly onVerdict?: ((reason: string, outcome: Outcome) => void) | undefined
  readonly fetch?: ((url: string, init?: RequestInit) => Promise<Response>) | undefined
  readonly now?: (() => number) | undefined
}

// Whoever serves the state is near: what takes longer is an outage, and refused.
const partTimeoutMs = 2_000

const exemptStatus = 'status=missing, reason=exempt, action=allow, mode=enforce'

/**
 * A handler of Web-standard requests that lets through what has a good token: the check of this package, with the held state fetched
 * part by part. Closed by default: what cannot be known is refused.
 */
export function createEdgeHandler(options: EdgeHandlerOptions): (request: Request) => Promise<Response> {
  const { mode = 'enforce', maxAgeMs = 1_000, now = Date.now, stateUrl, verifierUrl, upstream } = options
  const fetchFrom = options.fetch ?? ((url: string, init?: RequestInit) => fetch(url, init))
  const fetchPart = (url: string) => fetchFrom(url, { signal: AbortSignal.timeout(partTimeoutMs) })
  const parts = new HeldParts({ stateUrl, fetch: fetchPart, now, maxAgeMs })
  const exempt = new Set(options.exempt ?? [])
  const terms = { mode, canAsk: verifierUrl !== undefined, acceptsShallow: options.shallow === 'allow' }
  const ask = async (request: Request): Promise<Response> => {
    if (verifierUrl === undefined) return refusedResponse(false)
    const timeoutMs = options.verifierTimeoutMs ?? 1_000
    return askVerifier(request, { verifierUrl, timeoutMs, fetch: fetchFrom, upstream })
  }
  return async (request) => {
    if (exempt.has(new URL(request.url).pathname))
      return upstream(forwardedRequest(request, exemptStatus), 'allow')
    if (options.asks === 'always') return ask(request)
    const verdict = await judgeByParts(inputOf(request, options.service, now()), parts)
    const outcome = outcomeOf(verdict, terms)
    options.onVerdict?.(verdict.reason, outcome)
    if (outcome === 'ask') return ask(request)
    if (outcome !== 'allow') return refusedResponse(outcome === 'refuse')
    const status = statusField(
      verdict,
      outcome,
      mode,
      webPlatform(() => undefined),
    )
    return upstream(forwardedRequest(request, status), 'allow')
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
