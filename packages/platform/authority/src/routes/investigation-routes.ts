import type { JsonObject } from '@quantum-ip/base'
import { type App, requireRole } from '@quantum-ip/http'
import { Type } from 'typebox'
import { actsAbout, eventsAbout, ruleJson, sessionsAbout } from '../investigation.ts'
import type { RouteContext } from './route-context.ts'
import { closed } from './schemas.ts'

const valuesMax = 32

/** What the authority knows around builds, services, keys and logs that somebody looks into. */
export function addInvestigationRoutes(app: App, context: RouteContext): void {
  addBuilderRoute(app, context)
  addContextRoute(app, context)
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
