import type { App } from '@quantum-ip/http'
import { Type } from 'typebox'
import { AuthorityError } from '../authority-errors.ts'
import type { Registered } from '../ledger/registry.ts'
import type { RouteContext } from './route-context.ts'
import { closed, digestSchema } from './schemas.ts'

const registeredSchema = {
  log: Type.Integer(),
  index: Type.Integer(),
  origin: Type.String(),
  build: digestSchema,
  builder: Type.String(),
  timeMs: Type.Integer(),
  evidence: Type.String({ description: 'the evidence file, JSON' }),
}

function answer({ log, index, origin, build, builder, timeMs, evidence }: Registered): Registered {
  return { log, index, origin, build, builder, timeMs, evidence }
}

/** The registry of attestations. */
export function addAttestationRoutes(app: App, { authority }: RouteContext): void {
  const { registry } = authority

  // Open: what counts are the signatures of a known builder on the envelope, whoever brings it.
  app.post(
    '/v1/attestations',
    {
      config: { access: 'open' },
      bodyLimit: 2 * 1_048_576,
      schema: {
        body: closed({ envelope: Type.String({ maxLength: 1_048_576 }), build: Type.Optional(digestSchema) }),
        response: { 200: closed({ ...registeredSchema, known: Type.Boolean() }) },
      },
    },
    async (request) => {
      const { registered, known } = await registry.register(request.body.envelope, request.body.build)
      return { ...answer(registered), known }
    },
  )

  app.get(
    '/v1/attestations',
    {
      config: { access: 'member' },
      schema: {
        querystring: closed({ build: digestSchema }),
        response: { 200: closed({ attestations: Type.Array(closed(registeredSchema)) }) },
      },
    },
    async (request) => ({
      attestations: (await registry.list(request.query.build)).map((found) => answer(found)),
    }),
  )

  app.get(
    '/v1/attestations/:log/:index',
    {
      config: { access: 'member' },
      schema: {
        params: closed({
          log: Type.String({ pattern: '^\\d{1,9}$' }),
          index: Type.String({ pattern: '^\\d{1,15}$' }),
        }),
        response: { 200: closed(registeredSchema) },
      },
    },
    async (request) => {
      const found = await registry.find(Number(request.params.log), Number(request.params.index))
      if (found === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: 'attestation' })
      return answer(found)
    },
  )
}
