import type { JsonObject } from '@quantum-ip/base'
import { type App, requireRole } from '@quantum-ip/http'
import { Type } from 'typebox'
import { actsAbout, eventsAbout, ruleJson, sessionsAbout } from '../investigation.ts'
import { actorOf, type RouteContext } from './route-context.ts'
import { closed, digestSchema } from './schemas.ts'

const valuesMax = 32

/** What the authority knows around builds, services, keys and logs that somebody looks into. */
export function addInvestigationRoutes(app: App, context: RouteContext): void {
  addBuilderRoute(app, context)
  addContextRoute(app, context)
  addCaseRoute(app, context)
}

function addContextRoute(app: App, { authority }: RouteContext): void {
  const { sql } = authority.store
  app.get(
    '/v1/investigations/context',
    {
      config: requireRole('viewer'),
      schema: {
        querystring: closed({
          about: Type.String({
            minLength: 1,
            maxLength: 8_192,
            description: `digests, service IDs, thumbprints and logs with commas, at most ${valuesMax}`,
          }),
        }),
      },
    },
    async (request) => {
      const values = request.query.about
        .split(',')
        .filter((value) => value.length >= 8)
        .slice(0, valuesMax)
      const [sessions, acts, events] = await Promise.all([
        sessionsAbout(sql, values),
        actsAbout(sql, values),
        eventsAbout(sql, values),
      ])
      const rules = authority.admission.rules.map((rule) => ruleJson(rule))
      return plain({ sessions, rules, acts, events })
    },
  )
}

// It changes nothing but the record of acts, so that whoever may look may also note what was found.
function addCaseRoute(app: App, { authority }: RouteContext): void {
  app.post(
    '/v1/investigations/cases',
    {
      config: requireRole('viewer'),
      schema: {
        body: closed({
          digest: digestSchema,
          kind: Type.String({ minLength: 1, maxLength: 16, description: 'what was looked into' }),
          value: Type.String({ minLength: 1, maxLength: 512 }),
        }),
      },
    },
    async (request, reply) => {
      const { digest, kind, value } = request.body
      await authority.acts.record(actorOf(request), 'export-case', { digest, kind, value })
      return reply.code(204).send()
    },
  )
}

const attestationsMax = 200

function addBuilderRoute(app: App, { authority }: RouteContext): void {
  app.get(
    '/v1/investigations/attestations',
    {
      config: requireRole('viewer'),
      schema: {
        querystring: closed({
          builder: Type.String({ minLength: 1, maxLength: 255, description: "the builder's URI" }),
        }),
      },
    },
    async (request) => {
      const found = await authority.registry.listOf(request.query.builder, attestationsMax + 1)
      return plain({ attestations: found.slice(0, attestationsMax), more: found.length > attestationsMax })
    },
  )
}

/** What is data already, as JSON. */
function plain(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject
}
