import { type App, requireRole } from '@quantum-ip/http'
import { incidentSeverities, type IncidentSeverity } from '@quantum-ip/telemetry'
import { Type } from 'typebox'
import { AuthorityError } from '../authority-errors.ts'
import { type Incident, type IncidentChange, incidentJson, stepJson } from '../operations/incident.ts'
import { reportOn } from '../operations/incident-report.ts'
import type { Sampling } from '../state/sampling.ts'
import { actorOf, type RouteContext } from './route-context.ts'
import { closed, sidSchema } from './schemas.ts'

const severitySchema = Type.Union(incidentSeverities.map((severity) => Type.Literal(severity)))
const textSchema = Type.String({ minLength: 1, maxLength: 4_000 })
const nameSchema = Type.String({ minLength: 1, maxLength: 128 })
const rootCauseSchema = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$',
  description: 'what alerts of the same cause are grouped by',
})
const numberParams = closed({ number: Type.String({ pattern: '^[1-9]\\d{0,14}$' }) })
const eventsSchema = Type.Array(Type.Integer({ minimum: 1 }), {
  maxItems: 64,
  description: 'security events that belong to it',
})

/** Incidents: open one, write down what happens, close it, and read them again. `sampling` follows at once. */
export function addIncidentRoutes(app: App, context: RouteContext, sampling: Sampling): void {
  addReadingRoutes(app, context)
  addWritingRoutes(app, context, async () => {
    await context.authority.operations.declared.look()
    await sampling.look()
  })
}

function addReadingRoutes(app: App, { authority, services }: RouteContext): void {
  const { incidents } = authority.operations
  app.get(
    '/v1/incidents',
    {
      config: requireRole('viewer'),
      schema: {
        querystring: closed({
          state: Type.Optional(Type.Union([Type.Literal('open'), Type.Literal('closed')])),
          before: Type.Optional(Type.Integer({ minimum: 1, description: 'incidents before this number' })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
        }),
      },
    },
    async (request) => {
      const { limit = 100, ...query } = request.query
      const listed = await incidents.list({ limit, ...(query as { state?: Incident['state'] }) })
      return { incidents: listed.map((incident) => incidentJson(incident)) }
    },
  )

  app.get(
    '/v1/incidents/:number',
    { config: requireRole('viewer'), schema: { params: numberParams } },
    async (request) => {
      const incident = await incidents.get(Number(request.params.number))
      const [steps, events] = [
        await incidents.steps(incident.number),
        await incidents.eventsOf(incident.number),
      ]
      return { ...incidentJson(incident), timeline: steps.map((step) => stepJson(step)), events: [...events] }
    },
  )

  app.get(
    '/v1/incidents/:number/report',
    { config: requireRole('viewer'), schema: { params: numberParams } },
    async (request) => reportOn(Number(request.params.number), { authority, services }),
  )
}

const openBody = closed({
  title: Type.String({ minLength: 1, maxLength: 200 }),
  severity: severitySchema,
  services: Type.Optional(
    Type.Array(sidSchema, { maxItems: 256, uniqueItems: true, description: 'absent or empty: all' }),
  ),
  regions: Type.Optional(Type.Array(nameSchema, { maxItems: 64, uniqueItems: true })),
  summary: Type.Optional(textSchema),
  rootCause: Type.Optional(rootCauseSchema),
  commander: Type.Optional(nameSchema),
  events: Type.Optional(eventsSchema),
})

const noteBody = closed({
  note: textSchema,
  severity: Type.Optional(severitySchema),
  rootCause: Type.Optional(rootCauseSchema),
  commander: Type.Optional(nameSchema),
  events: Type.Optional(eventsSchema),
})

function addWritingRoutes(app: App, { authority }: RouteContext, changed: () => Promise<void>): void {
  const { acts } = authority
  const { incidents } = authority.operations
  app.post(
    '/v1/incidents',
    { config: requireRole('operator'), schema: { body: openBody } },
    async (request) => {
      const { title, severity: text, services = [], regions = [], summary = '', ...more } = request.body
      const { rootCause = null, commander = null, events = [] } = more
      const [openedBy, severity] = [actorOf(request), text as IncidentSeverity]
      await mustBeFree(events, authority)
      const order = { title, severity, services, regions, summary, rootCause, commander, openedBy }
      const { number } = await incidents.open(order)
      for (const event of events) await incidents.link(number, event, openedBy)
      await acts.record(openedBy, 'incident-open', { incident: number, severity, title })
      await changed()
      return incidentJson(await incidents.get(number))
    },
  )

  app.post(
    '/v1/incidents/:number/notes',
    { config: requireRole('operator'), schema: { params: numberParams, body: noteBody } },
    async (request) => {
      const { note, events = [], ...change } = request.body
      const [number, actor] = [Number(request.params.number), actorOf(request)]
      await mustBeFree(events, authority, number)
      const incident = await incidents.note(number, { actor, note, ...(change as IncidentChange) })
      for (const event of events) await incidents.link(number, event, actor)
      await acts.record(actor, 'incident-note', { incident: number, ...change })
      await changed()
      return incidentJson(incident)
    },
  )

  app.post(
    '/v1/incidents/:number/close',
    {
      config: requireRole('operator'),
      schema: { params: numberParams, body: closed({ resolution: textSchema }) },
    },
    async (request) => {
      const [number, actor] = [Number(request.params.number), actorOf(request)]
      const incident = await incidents.close(number, { actor, resolution: request.body.resolution })
      await acts.record(actor, 'incident-close', { incident: number })
      await changed()
      return incidentJson(incident)
    },
  )
}

/** Before anything is written: the events are there, and belong to no other incident. */
async function mustBeFree(
  events: readonly number[],
  { watch, operations }: RouteContext['authority'],
  incident?: number,
): Promise<void> {
  for (const event of events) {
    await watch.events.get(event)
    const other = await operations.incidents.incidentOf(event)
    if (other !== undefined && other !== incident)
      throw new AuthorityError('QIP_AUTHORITY_ALREADY_BOUND', { what: `event ${event}` })
  }
}
