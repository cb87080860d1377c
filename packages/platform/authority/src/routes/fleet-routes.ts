import type { JsonObject } from '@quantum-ip/base'
import { type App, requireRole } from '@quantum-ip/http'
import { reasons } from '@quantum-ip/verifier'
import { Type } from 'typebox'
import { type FleetMember, memberKinds } from '../fleet.ts'
import type { MemberPropagation } from '../state/propagation.ts'
import { probeService } from '../keys/issue-probe.ts'
import { type RouteContext, sessionOf } from './route-context.ts'
import { heldPolicyJson, heldPolicySchema } from './policy-schemas.ts'
import { closed } from './schemas.ts'

/** The fleet: who follows the trust state, and what each one says that it holds. */
export function addFleetRoutes(app: App, { authority }: RouteContext): void {
  app.get('/v1/fleet', { config: requireRole('viewer') }, async () => {
    const members = await authority.fleet.read()
    const waiting = await authority.rotations.waitedFor()
    return {
      seq: authority.publisher.current.seq,
      bundleSequence: authority.publisher.bundle.sequence,
      members: members.map((member) =>
        Object.assign(memberJson(member), {
          blocks: waiting.get(member.session)?.get(member.point) ?? [],
          ...propagationJson(authority.propagation.of(memberKey(member))),
        }),
      ),
    }
  })

  app.post(
    '/v1/fleet/departures',
    {
      config: { access: 'session' },
      schema: { body: closed({ point: Type.String({ minLength: 1, maxLength: 64 }) }) },
    },
    async (request, reply) => {
      await authority.fleet.leave(sessionOf(request), request.body.point)
      return reply.code(204).send()
    },
  )

  app.post(
    '/v1/fleet/acknowledgements',
    {
      config: { access: 'session' },
      schema: {
        body: closed({
          seq: Type.Integer({ minimum: 0 }),
          epoch: Type.Integer({ minimum: 0 }),
          bundleSequence: Type.Integer({ minimum: 0 }),
          point: Type.String({ minLength: 1, maxLength: 64 }),
          kind: Type.Optional(Type.Union(memberKinds.map((kind) => Type.Literal(kind)))),
          region: Type.Optional(Type.String({ maxLength: 64 })),
          epochAgeMs: Type.Optional(
            Type.Integer({ minimum: 0, description: 'since the newest revocation took effect there' }),
          ),
          probes: Type.Optional(Type.Boolean({ description: 'whether it verifies probe tokens' })),
          probe: Type.Optional(
            closed({
              id: Type.String({ minLength: 1, maxLength: 64 }),
              reason: Type.Union(reasons.map((reason) => Type.Literal(reason))),
            }),
          ),
          policies: Type.Optional(Type.Array(heldPolicySchema, { maxItems: 256 })),
        }),
      },
    },
    async (request) => {
      const session = sessionOf(request)
      const { epochAgeMs, ...told } = request.body
      const probe = await authority.acknowledge(session, told)
      if (epochAgeMs !== undefined) {
        const member = memberKey({ session: session.id, point: told.point })
        authority.propagation.acknowledged({ member, epoch: told.epoch, epochAgeMs })
      }
      if (probe === undefined) return {}
      const { id, token } = probe
      return { probe: { id, token, audience: probeService(authority.trustDomain) } }
    },
  )
}

function memberKey({ session, point }: Pick<FleetMember, 'session' | 'point'>): string {
  return `${session} ${point}`
}

function propagationJson(propagation: MemberPropagation | undefined): JsonObject {
  if (propagation === undefined) return {}
  return { propagation: { epoch: propagation.epoch, ms: propagation.ms } }
}

/** A member as the API shows it. */
export function memberJson({ session, point, sid, kind, region, ...member }: FleetMember): JsonObject {
  const { seq, epoch, bundleSequence, probe, policies, seenMs, leaseMs } = member
  return {
    point,
    kind,
    sid,
    session,
    ...(region !== undefined && { region }),
    seq,
    epoch,
    bundleSequence,
    ...(probe !== undefined && { probe: { ...probe } }),
    ...(policies !== undefined && { policies: policies.map((policy) => heldPolicyJson(policy)) }),
    seenMs,
    leaseMs,
  }
}
