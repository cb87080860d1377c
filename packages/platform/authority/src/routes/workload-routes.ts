import { base64url, type JsonObject } from '@quantum-ip/base'
import { parseKemJwk } from '@quantum-ip/crypto'
import { type App, requireRole } from '@quantum-ip/http'
import { Type } from 'typebox'
import type { Admission } from '../admission/admission.ts'
import { createJoinToken } from '../admission/join-token.ts'
import { actorOf, type RouteContext, sessionOf } from './route-context.ts'
import { closed, digestSchema, sidSchema } from './schemas.ts'

const kemJwkSchema = closed({
  kty: Type.String({ maxLength: 16 }),
  alg: Type.String({ maxLength: 32 }),
  pub: Type.String({ maxLength: 4_096 }),
  kid: Type.Optional(Type.String({ maxLength: 64 })),
})

/** Admission of workloads, and the join tokens that operators make for them. */
export function addWorkloadRoutes(app: App, { authority }: RouteContext): void {
  app.post(
    '/v1/workloads',
    {
      config: { access: 'open', postQuantum: true },
      schema: {
        body: closed({
          method: Type.String({ maxLength: 64 }),
          // Each method has evidence of its own form; that of join tokens is { token }.
          evidence: closed({ token: Type.String({ maxLength: 16_384 }) }),
          key: kemJwkSchema,
          builds: Type.Optional(Type.Array(digestSchema, { maxItems: 32 })),
        }),
      },
    },
    async (request) => {
      const { method, evidence, key, builds } = request.body
      const admission = await authority.admission.admit({
        method,
        evidence,
        clientKey: parseKemJwk(key),
        ...(builds !== undefined && { builds }),
      })
      const { session } = admission
      for (const { bytes } of session.builds) await authority.identifiers.bind(session.sid, bytes)
      await authority.identifiers.bind(session.sid, undefined)
      return admissionJson(admission)
    },
  )

  app.post(
    '/v1/workloads/renew',
    {
      config: { access: 'session', postQuantum: true },
      schema: { body: closed({ key: kemJwkSchema }) },
    },
    async (request) => {
      const session = sessionOf(request)
      return admissionJson(await authority.admission.renew(session, parseKemJwk(request.body.key)))
    },
  )

  app.post(
    '/v1/join-tokens',
    {
      config: requireRole('operator'),
      schema: {
        body: closed({
          sid: sidSchema,
          builds: Type.Optional(Type.Array(digestSchema, { maxItems: 32 })),
          role: Type.Optional(Type.Union([Type.Literal('workload'), Type.Literal('verifier')])),
          ttl: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400, description: 'seconds' })),
        }),
      },
    },
    async (request) => {
      const { sid, builds = [], role = 'workload', ttl = authority.joinTokenTtlS } = request.body
      const { token, expiresS } = await createJoinToken(
        {
          sql: authority.store.sql,
          clock: authority.clock,
          random: authority.random,
          td: authority.trustDomain,
        },
        { sid, builds, role, ttlS: ttl },
      )
      await authority.acts.record(actorOf(request), 'join-token', { sid, builds, role })
      return { token, expires: expiresS }
    },
  )
}

function admissionJson({ session, sealedKey, warnings }: Admission): JsonObject {
  return {
    session: session.id,
    sealedKey: base64url(sealedKey),
    sid: session.sid,
    role: session.role,
    builds: session.builds.map(({ digest, evidence, attestation }) => ({
      digest,
      evidence,
      ...(attestation !== undefined && { attestation: [...attestation] }),
    })),
    expires: session.expiresS,
    warnings: [...warnings],
  }
}
