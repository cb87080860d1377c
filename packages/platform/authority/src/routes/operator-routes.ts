import type { JsonObject } from '@quantum-ip/base'
import { parsePublicJwk, publicJwk } from '@quantum-ip/crypto'
import { type App, requireRole } from '@quantum-ip/http'
import { buildRevocation } from '@quantum-ip/trust'
import { Type } from 'typebox'
import { AuthorityError } from '../authority-errors.ts'
import type { HeldKey } from '../keys/key-ring.ts'
import type { RevocationOrder } from '../state/revocations.ts'
import { actorOf, type RouteContext } from './route-context.ts'
import { closed } from './schemas.ts'

const revocationSchema = closed({
  kind: Type.Union(['key', 'identity', 'build', 'token', 'range'].map((kind) => Type.Literal(kind))),
  value: Type.String({ maxLength: 512 }),
  log: Type.Optional(Type.String({ maxLength: 255 })),
  from: Type.Optional(Type.Integer({ minimum: 0 })),
  before: Type.Optional(Type.Integer({ minimum: 0 })),
  reason: Type.String({ minLength: 1, maxLength: 512 }),
  expires: Type.Optional(Type.Integer({ minimum: 0 })),
})

/** A key as the API shows it: its public half, and where it is in its life. */
export function keyJson({ record, createdMs, changedMs }: HeldKey): JsonObject {
  const { key, use, state, name, log, keyId } = record
  return {
    kid: key.kid,
    use,
    alg: key.alg,
    state,
    ...(name !== undefined && { name }),
    ...(log !== undefined && { log }),
    ...(keyId !== undefined && { keyId: keyId.toString(16).padStart(8, '0') }),
    createdMs,
    changedMs,
    jwk: { ...publicJwk(key) },
  }
}

/** Revocation and keys. */
export function addKeyRoutes(app: App, { authority }: RouteContext): void {
  app.get(
    '/v1/revocations',
    {
      config: { access: 'member' },
      schema: { querystring: closed({ since: Type.Optional(Type.Integer({ minimum: 0 })) }) },
    },
    (request) => ({
      epoch: authority.revocations.epoch,
      revocations: authority.revocations
        .since(request.query.since ?? 0)
        .map((record) => buildRevocation(record)),
    }),
  )

  app.post(
    '/v1/revocations',
    { config: requireRole('operator'), schema: { body: revocationSchema } },
    async (request) => {
      const order = request.body as RevocationOrder
      const { record, seq, sessionsEnded } = await authority.revoke(order)
      await authority.acts.record(actorOf(request), 'revoke', {
        kind: order.kind,
        value: order.value,
        epoch: record.epoch,
      })
      return { epoch: record.epoch, seq, sessionsEnded }
    },
  )

  app.get('/v1/keys', { config: requireRole('viewer') }, () => ({
    keys: authority.keys.list().map((held) => keyJson(held)),
  }))

  app.post(
    '/v1/keys',
    {
      config: requireRole('key-custodian'),
      schema: {
        body: closed({
          use: Type.Literal('qip-build'),
          name: Type.String({ minLength: 1, maxLength: 255, description: "the builder's URI" }),
          set: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
          jwk: closed({
            kty: Type.String({ maxLength: 16 }),
            alg: Type.String({ maxLength: 64 }),
            crv: Type.Optional(Type.String({ maxLength: 16 })),
            x: Type.Optional(Type.String({ maxLength: 64 })),
            pub: Type.Optional(Type.String({ maxLength: 8_192 })),
            kid: Type.Optional(Type.String({ maxLength: 64 })),
          }),
        }),
      },
    },
    async (request) => {
      const { use, name, jwk, set } = request.body
      const plan = { use, name, state: 'active' as const, ...(set !== undefined && { set }) }
      const held = await authority.keys.add(parsePublicJwk(jwk), plan)
      await authority.publisher.publishKeys()
      await authority.acts.record(actorOf(request), 'add-key', { use, name, kid: held.record.key.kid })
      return keyJson(held)
    },
  )
}

/** Services, identifiers and the record of acts. */
export function addRecordRoutes(app: App, { authority, services }: RouteContext): void {
  app.get('/v1/services', { config: requireRole('viewer') }, () => ({ services }))

  app.get(
    '/v1/identifiers/:id',
    { config: { access: 'member' }, schema: { params: closed({ id: Type.String({ maxLength: 64 }) }) } },
    async (request) => {
      const found = await authority.identifiers.find(request.params.id)
      if (found === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: 'identifier' })
      return found
    },
  )

  app.get('/v1/acts', { config: requireRole('viewer') }, async () => ({
    acts: await authority.acts.list(100),
  }))
}
