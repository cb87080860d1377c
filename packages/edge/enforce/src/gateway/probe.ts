import type { Clock, JsonObject, ServiceId } from '@quantum-ip/base'
import type { Carried } from '@quantum-ip/point'
import type { Decision as PolicyDecision } from '@quantum-ip/policy'
import { fieldKind, formatChallenge, tracestateHint, readTracestateHint } from '@quantum-ip/token'
import type { Reason, Verdict, Verifier } from '@quantum-ip/verifier'
import type { Answer } from './decision.ts'
import { sha256Prefix } from './probe-digest.ts'
import type { RequestHead } from './request-head.ts'

/** How a gateway answers the probes of `qip doctor`. */
export interface ProbeOptions {
  /** Whose one-time tokens, for itself, are tickets: `spiffe://<trust domain>/quantum-ip/doctor`. */
  readonly service: ServiceId
  /** What this point holds of the trust state, for whoever has a ticket. */
  readonly state: () => JsonObject
}

/** What a probe brings in its query. */
export interface ProbeTicket {
  /** Not verified yet. */
  readonly token: string
  /** The beginnings of SHA-256 of the values that were sent, so that one under another name is found again. */
  readonly sent: ReadonlySet<string>
}

/** What was found out about a probe, which is no request: nothing of it reaches an upstream, and no record is made. */
export interface ProbedRequest {
  readonly head: RequestHead
  readonly route: { readonly name: string; readonly service: ServiceId }
  readonly carried: Carried
  readonly exempt: boolean
  readonly verdict: Verdict
  readonly decision: PolicyDecision
}

/** The parameter of the query that holds the ticket: `<token>[~<16 hex>]*`. */
export const probeParameter = 'quantum-ip-probe'
/** The media type of the answer; version 1. */
export const probeType = 'application/vnd.quantum-ip.probe.v1+json'

const parameter = `${probeParameter}=`
const ticketCharactersMax = 4_096
const sentMax = 16
const fieldsMax = 64
const ticketForm = /^qip1\.[A-Za-z0-9_-]{16,}$/
const digestForm = /^[0-9a-f]{16}$/
/**
 * A gateway that has just started, or whose shared store or authority is away, is what a doctor is called for. Whoever has seen a ticket
 * may then use it until it ends, within two minutes, and learn what of his own request arrives.
 */
const tolerated: ReadonlySet<Reason> = new Set(['replay_unavailable', 'trust_stale'])
/** Names under which proxies put a token that they moved, and padding of probes. */
const ours = /^(?:x-)?quantum[^a-z0-9]?ip/i
const tokens = /^qipr?1\./

/**
 * Answers probes: requests whose query has a ticket, which is a one-time token of the doctor for the doctor. Only operators can have
 * that service admitted. The ticket is in the query because fields are what is under test.
 *
 * Without a ticket that holds, a request is judged as if probes did not exist. The answer tells lengths and digests of fields that the
 * prober itself has sent, the verdict and decision that they would have had, and never a value.
 */
export class ProbeDesk {
  readonly #verifier: Pick<Verifier, 'verify'>
  readonly #options: ProbeOptions
  readonly #clock: Clock

  constructor(parts: { readonly verifier: Verifier; readonly options: ProbeOptions; readonly clock: Clock }) {
    this.#verifier = parts.verifier
    this.#options = parts.options
    this.#clock = parts.clock
  }

  /** The ticket in a query, `undefined` in nearly all of them. */
  read(query: string): ProbeTicket | undefined {
    if (query.length <= parameter.length || !query.includes(parameter)) return undefined
    const found = query
      .slice(1)
      .split('&', 64)
      .find((part) => part.startsWith(parameter))
    const [token = '', ...sent] = (found ?? '').slice(parameter.length).split('~', sentMax + 1)
    if (token.length > ticketCharactersMax || !ticketForm.test(token)) return undefined
    return { token, sent: new Set(sent.filter((digest) => digestForm.test(digest))) }
  }

  /** Whether a ticket holds. It is used up by that. */
  async holds({ token }: ProbeTicket): Promise<boolean> {
    const { service } = this.#options
    const verdict = await this.#verifier.verify({ token, tokenCount: 1, audience: service, deep: 'never' })
    const { status, reason, authenticated, identity, oneTime } = verdict
    return (
      authenticated && identity === service && oneTime && (status === 'verified' || tolerated.has(reason))
    )
  }

  /** The answer to a probe whose ticket holds. */
  answer(probed: ProbedRequest, sent: ProbeTicket['sent']): Answer {
    const { head, route, carried, exempt, verdict, decision } = probed
    const body: JsonObject = {
      route: route.name,
      service: route.service,
      exempt,
      received: receivedJson(head, sent, { ...carried, service: route.service }),
      verdict: { status: verdict.status, reason: verdict.reason },
      decision: {
        action: decision.action,
        mode: decision.mode,
        policy: decision.policy.name,
        version: decision.policy.version,
        ...(decision.rule !== null && { rule: decision.rule }),
      },
      state: { timeMs: this.#clock.now(), ...this.#options.state() },
    }
    // The challenge is there to see whether it comes back: callers learn by it that they must staple a head.
    const challenge = formatChallenge({ error: 'probe' })
    const fields = ['content-type', probeType, 'cache-control', 'no-store', 'www-authenticate', challenge]
    return { action: 'answer', status: 200, fields, body: JSON.stringify(body) }
  }
}

function receivedJson(
  head: RequestHead,
  sent: ProbeTicket['sent'],
  { tracestate, service }: { readonly tracestate: string | undefined; readonly service: ServiceId },
): JsonObject {
  const fields: JsonObject[] = []
  const via: string[] = []
  let bytes = 0
  for (let i = 0; i < head.raw.length; i += 2) {
    const [name = '', value = ''] = [head.raw[i], head.raw[i + 1]]
    bytes += name.length + value.length + 4
    if (name.toLowerCase() === 'via') via.push(value.slice(0, 256))
    const digest = sha256Prefix(value)
    if (fields.length < fieldsMax && (isOurs(name, value) || sent.has(digest)))
      fields.push({ name: name.slice(0, 128), length: value.length, sha256: digest })
  }
  return {
    version: head.version,
    peer: head.peer,
    via: via.slice(0, 16),
    count: head.raw.length / 2,
    bytes,
    hint: tracestate !== undefined && readTracestateHint(tracestate) === tracestateHint(service),
    fields,
  }
}

function isOurs(name: string, value: string): boolean {
  return fieldKind(name) !== undefined || ours.test(name) || tokens.test(value)
}
