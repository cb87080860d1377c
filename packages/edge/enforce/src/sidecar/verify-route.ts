import type { App } from '@quantum-ip/http'
import { verdictJson } from '@quantum-ip/point'
import { Type } from 'typebox'
import { boundRequest } from './bound-request.ts'
import type { WorkloadParts } from './workload-api.ts'
import { questionSchema } from './workload-schemas.ts'

/** `POST /v1/verify`: the verdict about a token that somebody called this service with. */
export function addVerifyRoute(app: App, parts: WorkloadParts): void {
  app.post(
    '/v1/verify',
    {
      config: { access: 'open' },
      schema: {
        description:
          'What this service would be told about a request with this token. A one-time token is used up by it. A token that is bound to a key is `binding_mismatch`: send requests through the sidecar.',
        body: questionSchema,
        response: {
          200: Type.Object(
            { status: Type.String(), reason: Type.String() },
            { additionalProperties: true, description: 'the verdict; see the reference of verdicts' },
          ),
        },
      },
    },
    async (request) => {
      const { token, head, tracestate, request: named } = request.body
      const bound = named && boundRequest(named)
      const verdict = await parts.verifier.verify({
        token,
        tokenCount: 1,
        staple: head,
        tracestate,
        audience: parts.service,
        ...(bound !== undefined && { request: bound }),
        acceptStandalone: parts.acceptStandalone,
        acceptJwt: parts.acceptJwt,
        acceptReference: true,
      })
      return verdictJson(verdict) as { status: string; reason: string }
    },
  )
}
