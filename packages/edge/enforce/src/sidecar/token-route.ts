import { parseServiceId, systemClock, systemRandom } from '@quantum-ip/base'
import type { IssuedToken } from '@quantum-ip/client'
import type { App } from '@quantum-ip/http'
import { headerNames, proofHeaderName, requestBinding, signProofToken } from '@quantum-ip/token'
import type { Static } from 'typebox'
import { EnforceError } from '../enforce-errors.ts'
import { boundRequest } from './bound-request.ts'
import { InboundCall } from './inbound-call.ts'
import type { TokenWish } from './held-tokens.ts'
import { type extendsSchema, orderSchema, tokenSchema } from './workload-schemas.ts'
import type { WorkloadParts } from './workload-api.ts'

type Order = Static<typeof orderSchema>

/** `POST /v1/token`: a token for a call of this service. */
export function addTokenRoute(app: App, parts: WorkloadParts): void {
  app.post(
    '/v1/token',
    {
      config: { access: 'open' },
      schema: {
        description:
          'A token for one audience, out of those that are held; for one request, or on behalf of an inbound call, one of its own.',
        body: orderSchema,
        response: { 200: tokenSchema },
      },
    },
    async (request, reply) => {
      const { body } = request
      const issued = await issue(parts, body)
      void reply.header('cache-control', 'no-store')
      return {
        token: issued.token,
        ...(issued.staple !== undefined && { head: issued.staple }),
        expires: issued.expiresS,
        fields: await fieldsOf(parts, issued, body.proof),
      }
    },
  )
}

function issue({ tokens, calls }: WorkloadParts, order: Order): Promise<IssuedToken> {
  const wish: TokenWish = {
    audience: parseServiceId(order.audience),
    oneTime: order.oneTime ?? false,
    isBound: order.proof !== undefined,
  }
  const call = order.extends === undefined ? undefined : callOf(calls, order.extends)
  if (order.request !== undefined) {
    return tokens.order(wish, { call, requestBinding: requestBinding(boundRequest(order.request)) })
  }
  return call === undefined ? tokens.take(wish) : tokens.takeFor(call, wish)
}

function callOf(calls: WorkloadParts['calls'], place: Static<typeof extendsSchema>): InboundCall {
  const { token, traceparent, tracestate } = place
  // What the authority says of it counts, and nothing that is read here.
  if (token !== undefined) return new InboundCall(token, { identity: '', callerKey: '', endsMs: 0 })
  const found = calls.find({ traceparent, tracestate })
  if (found.kind === 'known') return found.call
  throw new EnforceError(
    found.kind === 'ambiguous' ? 'QIP_ENFORCE_CALL_AMBIGUOUS' : 'QIP_ENFORCE_CALL_UNKNOWN',
    {},
  )
}

async function fieldsOf(
  { signer }: WorkloadParts,
  { token }: IssuedToken,
  url: string | undefined,
): Promise<Record<string, string>> {
  if (url === undefined) return { [headerNames.token]: token }
  const nowS = systemClock.now() / 1_000
  const proof = await signProofToken({ signer, token, uri: url, nowS, nonce: systemRandom.bytes(16) })
  return { [headerNames.token]: token, [proofHeaderName]: proof }
}
