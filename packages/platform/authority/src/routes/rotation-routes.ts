import type { JsonObject } from '@quantum-ip/base'
import { type App, requireRole } from '@quantum-ip/http'
import { Type } from 'typebox'
import { type RotatedUse, type Rotation, rotatedUses } from '../keys/rotation.ts'
import type { GateMember } from '../keys/rotation-gate.ts'
import type { RotationReport } from '../keys/rotations.ts'
import { memberJson } from './fleet-routes.ts'
import { keyJson } from './operator-routes.ts'
import { actorOf, type RouteContext } from './route-context.ts'
import { closed } from './schemas.ts'

const useSchema = Type.Union(rotatedUses.map((use) => Type.Literal(use)))

/** Rotations: begin one, take it back, and see how the fleet stands to it. */
export function addRotationRoutes(app: App, context: RouteContext): void {
  const { authority } = context
  addChangeRoutes(app, context)

  app.get(
    '/v1/rotations',
    {
      config: requireRole('viewer'),
      schema: {
        querystring: closed({
          use: Type.Optional(useSchema),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
        }),
      },
    },
    async (request) => {
      const rotations = await authority.rotations.list(request.query.limit ?? 100, request.query.use)
      return { rotations: rotations.map((rotation) => rotationJson(rotation)) }
    },
  )

  app.get(
    '/v1/rotations/:number',
    {
      config: requireRole('viewer'),
      schema: { params: closed({ number: Type.String({ pattern: '^[1-9][0-9]{0,14}$' }) }) },
    },
    async (request) => {
      const rotation = await authority.rotations.find(Number(request.params.number))
      return reportJson(await authority.rotations.report(rotation))
    },
  )
}

function addChangeRoutes(app: App, { authority }: RouteContext): void {
  const state = async (rotation: Rotation): Promise<JsonObject> => ({
    ...reportJson(await authority.rotations.report(rotation)),
    log: authority.issuer.log.origin,
    keys: authority.keys.list().map((held) => keyJson(held)),
  })

  app.post(
    '/v1/keys/rotate',
    {
      config: requireRole('key-custodian'),
      schema: { body: closed({ use: Type.Optional(useSchema) }) },
    },
    async (request) => {
      const use: RotatedUse = request.body.use ?? 'qip-token'
      const askedBy = actorOf(request)
      const rotation = await authority.rotate({ use, askedBy })
      await authority.acts.record(askedBy, 'rotate', { use, rotation: rotation.number })
      return state(rotation)
    },
  )

  app.post(
    '/v1/keys/plan',
    { config: requireRole('key-custodian'), schema: { body: closed({ use: useSchema }) } },
    async (request) => {
      const { use } = request.body
      const held = await authority.planKey(use)
      await authority.acts.record(actorOf(request), 'plan-key', { use, kid: held.record.key.kid })
      return keyJson(held)
    },
  )

  app.post(
    '/v1/keys/rollback',
    {
      config: requireRole('key-custodian'),
      schema: {
        body: closed({
          use: Type.Optional(useSchema),
          reason: Type.String({ minLength: 1, maxLength: 512 }),
        }),
      },
    },
    async (request) => {
      const { use = 'qip-token', reason } = request.body
      const askedBy = actorOf(request)
      const rotation = await authority.rollBack({ use, reason: `${askedBy}: ${reason}` })
      await authority.acts.record(askedBy, 'roll-back', { use, rotation: rotation.number, reason })
      return state(rotation)
    },
  )
}

function rotationJson({ number, use, from, to, cause, askedBy, phase, ...rotation }: Rotation): JsonObject {
  const { startedMs, gateSequence, heldMs, activatedMs, endedMs, outcome, detail } = rotation
  return {
    number,
    use,
    from,
    to,
    cause,
    askedBy,
    phase,
    startedMs,
    ...(gateSequence !== undefined && { gateSequence }),
    ...(heldMs !== undefined && { heldMs }),
    ...(activatedMs !== undefined && { activatedMs }),
    ...(endedMs !== undefined && { endedMs }),
    ...(outcome !== undefined && { outcome }),
    ...(detail !== undefined && { detail }),
  }
}

function reportJson({ rotation, gate }: RotationReport): JsonObject {
  return {
    rotation: rotationJson(rotation),
    ...(gate !== undefined && {
      gate: {
        acknowledged: gate.acknowledged,
        needed: gate.needed,
        detail: gate.detail,
        members: gate.members.map((member) => gateMemberJson(member)),
      },
    }),
  }
}

function gateMemberJson({ member, standing }: GateMember): JsonObject {
  return { ...memberJson(member), standing }
}
