import { type App, requireRole } from '@quantum-ip/http'
import { Type } from 'typebox'
import { readRollout, readRollouts, readVersions } from '../policies/policy-rows.ts'
import type { Authority } from '../authority.ts'
import type { PolicyCounts } from '../policies/policy-reports.ts'
import type { Promotion } from '../policies/promotion.ts'
import { numberSchema, heldPolicyJson, policyNameSchema, rolloutJson } from './policy-schemas.ts'
import { actorOf, type RouteContext } from './route-context.ts'
import { addPromotionRoutes, countsJson, promotionJson } from './promotion-routes.ts'
import { closed } from './schemas.ts'

const listedMax = 100
const envelopeType = 'application/vnd.dsse+json'

/** Policies: what is in force, publish a version, and what members fetch. */
export function addPolicyRoutes(app: App, context: RouteContext): void {
  addReadRoutes(app, context)
  addDocumentRoutes(app, context)
  addPublishRoute(app, context)
  addPromotionRoutes(app, context)
}

function addReadRoutes(app: App, { authority }: RouteContext): void {
  const { policies } = authority
  app.get('/v1/policies', { config: requireRole('viewer') }, () => ({
    policies: policies.list().map(({ document }) => rolloutJson(document)),
  }))

  app.get(
    '/v1/policies/:name',
    { config: requireRole('viewer'), schema: { params: closed({ name: policyNameSchema }) } },
    async (request) => {
      const { name } = request.params
      const { document } = policies.current(name)
      const { sql } = authority.store
      const rollouts = await readRollouts(sql, name, listedMax)
      const members = await authority.fleet.read()
      const promotions = await authority.promotions.list(name, listedMax)
      const running = promotions.find(({ phase }) => phase === 'running')
      const last = promotions.find(({ phase }) => phase === 'ended')
      const counts = await authority.policyReports.counts(name, running?.rollout ?? document.number)
      return {
        rollout: rolloutJson(document),
        versions: await readVersions(sql, name, listedMax),
        counts: countsJson(counts),
        ...(last !== undefined && { lastStep: countsJson(await countsOf(authority, last, document.number)) }),
        promotions: promotions.map((promotion) => promotionJson(promotion)),
        history: rollouts.map((rollout) => rolloutJson(rollout.document)),
        members: members.flatMap(({ point, region, sid, seenMs, policies: held = [] }) => {
          const own = held.find((each) => each.name === name)
          if (own === undefined) return []
          return [{ point, sid, ...(region !== undefined && { region }), seenMs, holds: heldPolicyJson(own) }]
        }),
      }
    },
  )
}

/** What was counted in the last step of a promotion that has ended. */
function countsOf(
  { policyReports }: Pick<Authority, 'policyReports'>,
  { name, rollout, endedMs }: Promotion,
  now: number,
): Promise<PolicyCounts> {
  // Numbers are at least the milliseconds of their time.
  return policyReports.counts(name, rollout, Math.min(now, endedMs ?? now))
}

/** The signed documents, as members fetch them. */
function addDocumentRoutes(app: App, { authority }: RouteContext): void {
  const params = closed({ name: policyNameSchema, number: numberSchema })
  app.get(
    '/v1/policies/:name/versions/:number',
    { config: { access: 'member' }, schema: { params } },
    async (request, reply) => {
      const { name, number } = request.params
      const { envelope } = await authority.policies.version(name, Number(number))
      return reply.type(envelopeType).send(envelope)
    },
  )
  app.get(
    '/v1/policies/:name/rollouts/:number',
    { config: { access: 'member' }, schema: { params } },
    async (request, reply) => {
      const { name, number } = request.params
      const { envelope } = await readRollout(authority.store.sql, name, Number(number))
      return reply.type(envelopeType).send(envelope)
    },
  )
}

function addPublishRoute(app: App, { authority }: RouteContext): void {
  app.post(
    '/v1/policies',
    {
      config: requireRole('operator'),
      schema: {
        body: closed({
          text: Type.String({ minLength: 1, maxLength: 262_144, description: 'the policy, as YAML' }),
          comment: Type.Optional(Type.String({ maxLength: 512 })),
          replace: Type.Optional(
            Type.Boolean({
              description: 'in place of the version in force, carried out as far as that one is',
            }),
          ),
          activate: Type.Optional(
            Type.Boolean({
              description: 'in force at once, without a shadow before; default: the first only',
            }),
          ),
        }),
      },
    },
    async (request) => {
      const { text, comment = '', activate = false, replace = false } = request.body
      const by = actorOf(request)
      const { document } = await authority.promotions.publish({ text, comment, by, activate, replace })
      const { policy: name, number, active, candidate } = document
      const version = (replace ? active : (candidate ?? active)).version
      await authority.acts.record(by, 'policy-publish', { name, version, rollout: number, activate, replace })
      return { rollout: rolloutJson(document) }
    },
  )
}
