import { type Clock, isQipError, systemClock, systemRandom } from '@quantum-ip/base'
import type { IssuedToken } from '@quantum-ip/client'
import type { ProofSigner } from '@quantum-ip/crypto'
import { type PointAnswer, problemAnswer, readCarried } from '@quantum-ip/point'
import type { SidecarObserver } from '@quantum-ip/telemetry'
import { addTracestateHint, metadataNames, proofFieldName, signProofToken } from '@quantum-ip/token'
import type { Decision } from '../gateway/decision.ts'
import type { RequestHead } from '../gateway/request-head.ts'
import type { Upstream } from '../gateway/upstream.ts'
import { answerRefusals } from './answer-refusal.ts'
import { removeCallHandle } from './call-handle.ts'
import type { CallMemory } from './call-memory.ts'
import type { HeldTokens, TokenWish } from './held-tokens.ts'
import type { InboundCall } from './inbound-call.ts'

/** A service that is called, ready to be. */
export interface OutboundPlace {
  readonly wish: TokenWish
  /** Where proofs say that a request goes: `https://pay.internal:8443`. */
  readonly origin: string
  readonly chain: 'kept' | 'required' | 'none'
  readonly upstream: Upstream
}

/** What the guard of outbound calls works with. */
export interface OutboundParts {
  /** By the authority that applications call. */
  readonly places: ReadonlyMap<string, OutboundPlace>
  readonly tokens: HeldTokens
  readonly calls: CallMemory
  readonly signer: ProofSigner
  readonly observer?: Pick<SidecarObserver, 'outbound'>
  readonly clock?: Clock
}

/** Attaches a token to each call that the application makes. What it cannot attach one to goes nowhere. */
export class OutboundGuard {
  readonly #parts: OutboundParts
  readonly #clock: Clock

  constructor(parts: OutboundParts) {
    this.#parts = parts
    this.#clock = parts.clock ?? systemClock
  }

  /** Where a request goes, and with what. */
  async judge(head: RequestHead): Promise<Decision> {
    // A page in a browser on this machine can send requests to the loopback; a service is no browser.
    if (head.fields.some((name, i) => i % 2 === 0 && browserForm.test(name)))
      return this.#refuse('browser', browserSent)
    const place = this.#parts.places.get(authorityOf(head))
    if (place === undefined) return this.#refuse('no_destination', noDestination)
    const { traceparent, tracestate } = readCarried(head.reserved)
    const found =
      place.chain === 'none'
        ? ({ kind: 'unknown' } as const)
        : this.#parts.calls.find({ traceparent, tracestate })
    if (found.kind === 'ambiguous') return this.#refuse('call_ambiguous', callAmbiguous)
    if (found.kind === 'unknown' && place.chain === 'required')
      return this.#refuse('call_unknown', callUnknown)
    const call = found.kind === 'known' ? found.call : undefined
    // Held, so that it can be sent again with the head. A stream of unknown length may wait for an answer before it goes on.
    if (lengthOf(head) <= bodyBytesHeld) await head.body(bodyBytesHeld)
    return this.#send(head, place, { call, traceparent, tracestate })
  }

  async #send(
    head: RequestHead,
    { wish, origin, upstream }: OutboundPlace,
    { call, traceparent, tracestate = '' }: SentTrace,
  ): Promise<Decision> {
    const { tokens, observer } = this.#parts
    const take = (): Promise<IssuedToken> =>
      call === undefined ? tokens.take(wish) : tokens.takeFor(call, wish)
    let issued: IssuedToken
    try {
      issued = await take()
    } catch (error) {
      return this.#refuse('no_token', noToken(error))
    }
    const place = { wish, origin, target: head.target }
    const fields = await this.#tokenFields(issued, place)
    if (traceparent !== undefined) fields.push('traceparent', traceparent)
    fields.push('tracestate', addTracestateHint(removeCallHandle(tracestate), wish.audience))
    observer?.outbound(call === undefined ? 'sent' : 'sent_in_chain')
    const another = answerRefusals({
      discard: () => tokens.discard(wish, issued, call),
      fields: async () => this.#tokenFields(await take(), place),
    })
    const dispatcher = upstream.dispatcher.compose(another)
    const again = Object.create(upstream, { dispatcher: { value: dispatcher } }) as typeof upstream
    return { action: 'pass', upstream: again, fields }
  }

  /** The token, its head, and the proof for this very request. */
  async #tokenFields(
    issued: IssuedToken,
    { wish, origin, target }: Pick<OutboundPlace, 'wish' | 'origin'> & { readonly target: string },
  ): Promise<string[]> {
    const fields = [metadataNames.token, issued.token]
    // Kept back by the dispatcher of the upstream, until somebody asks for it.
    if (issued.staple !== undefined) fields.push(metadataNames.head, issued.staple)
    if (wish.isBound) {
      const nonce = systemRandom.bytes(16)
      const uri = origin + target.replace(/^https?:\/\/[^/]*/, '')
      const nowS = this.#clock.now() / 1_000
      const { signer } = this.#parts
      fields.push(proofFieldName, await signProofToken({ signer, token: issued.token, uri, nowS, nonce }))
    }
    return fields
  }

  #refuse(outcome: Parameters<SidecarObserver['outbound']>[0], problem: OutboundProblem): PointAnswer {
    this.#parts.observer?.outbound(outcome)
    return problemAnswer({ ...problem })
  }
}

interface SentTrace {
  readonly call: InboundCall | undefined
  readonly traceparent: string | undefined
  readonly tracestate: string | undefined
}

interface OutboundProblem {
  readonly status: number
  readonly title: string
  readonly code: string
  readonly next?: string | undefined
}

const bodyBytesHeld = 65_536

function lengthOf({ raw }: RequestHead): number {
  const at = raw.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'content-length')
  return at < 0 ? Number.POSITIVE_INFINITY : Number(raw[at + 1])
}

const browserForm = /^(?:origin|sec-fetch-.*)$/i

function authorityOf({ authority }: RequestHead): string {
  return authority.toLowerCase().replace(/:80$/, '')
}

const browserSent: OutboundProblem = {
  status: 403,
  title: 'browsers do not call through a sidecar',
  code: 'browser_refused',
}

const noDestination: OutboundProblem = {
  status: 404,
  title: 'no destination has this host',
  code: 'destination_unknown',
  next: 'add it to `sidecar.outbound.destinations`, or call it without the sidecar',
}

const callAmbiguous: OutboundProblem = {
  status: 409,
  title: 'several callers are in this trace, and nothing says for which of them this call is',
  code: 'call_ambiguous',
  next: 'hand on `tracestate` as it came with the call, beside `traceparent`',
}

const callUnknown: OutboundProblem = {
  status: 409,
  title: 'this destination wants to know the callers before, and no inbound call is remembered in this trace',
  code: 'call_unknown',
  next: 'hand on `traceparent` and `tracestate` as they came with the call',
}

function noToken(error: unknown): OutboundProblem {
  const isRefused = isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED')
  const why = isQipError(error) ? error.message : 'the authority cannot be asked'
  return {
    status: isRefused ? 502 : 503,
    title: `no token for this call: ${why}`,
    code: isRefused ? 'token_refused' : 'token_unavailable',
    next: isQipError(error) ? error.next : undefined,
  }
}
