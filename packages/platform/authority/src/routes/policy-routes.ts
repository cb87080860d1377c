import { type App, requireRole } from '@quantum-ip/http'
import { Type } from 'typebox'
import { readRollout, readRollouts, readVersions } from '../policies/policy-rows.ts'
import { numberSchema, heldPolicyJson, policyNameSchema, rolloutJson } from './policy-schemas.ts'
import { actorOf, type RouteContext } from './route-context.ts'
import { closed } from './schemas.ts'

const listedMax = 100
const envelopeType = 'application/vnd.dsse+json'

/** Policies: what is in force, publish a version, and what members fetch. */
export function addPolicyRoutes(app: App, context: RouteContext): void {
  addReadRoutes(app, context)
  addDocumentRoutes(app, context)
  addPublishRoute(app, context)
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
      return {
        rollout: rolloutJson(document),
        versions: await readVersions(sql, name, listedMax),
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
          activate: Type.Optional(
            Type.Boolean({
              description: 'in force at once, without a shadow before; default: the first only',
            }),
          ),
        }),
      },
    },
    async (request) => {
      const { text, comment = '', activate = false } = request.body
      const by = actorOf(request)
      const { document } = await authority.publishPolicy({ text, comment, by, activate })
      const { policy: name, number, active, candidate } = document
      const version = (candidate ?? active).version
      await authority.acts.record(by, 'policy-publish', { name, version, rollout: number, activate })
      return { rollout: rolloutJson(document) }
    },
  )
}
