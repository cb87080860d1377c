import type { Json, JsonObject } from '@quantum-ip/base'
import { type App, requireRole } from '@quantum-ip/http'
import { securityEventKinds } from '@quantum-ip/telemetry'
import { Type } from 'typebox'
import type { DecisionFilter } from '../decisions/decision-filter.ts'
import type { Decisions } from '../decisions/decisions.ts'
import type { EventQuery, SecurityEvent } from '../detection/security-events.ts'
import { actorOf, type RouteContext, sessionOf } from './route-context.ts'
import { closed } from './schemas.ts'

const stapleSchema = Type.String({ maxLength: 8_000, description: 'a Quantum-IP-Head value of one head' })

const reportSchema = Type.Union([
  closed({
    kind: Type.Literal('head_unlogged'),
    head: stapleSchema,
    decisions: Type.Integer({ minimum: 0 }),
  }),
  closed({
    kind: Type.Literal('log_equivocation'),
    heads: Type.Array(stapleSchema, { minItems: 1, maxItems: 2 }),
  }),
  closed({
    kind: Type.Literal('attestation_invalid'),
    log: Type.String({ minLength: 1, maxLength: 255 }),
    index: Type.Integer({ minimum: 0 }),
    decisions: Type.Array(Type.String({ maxLength: 128 }), {
      maxItems: 1_000,
      description: 'IDs of the decisions by which requests had passed',
    }),
    more: Type.Integer({ minimum: 0, description: 'how many more there were' }),
  }),
  closed({
    kind: Type.Literal('key_unknown'),
    keys: Type.Array(
      closed({
        td: Type.String({ maxLength: 512 }),
        key: Type.String({ minLength: 1, maxLength: 64 }),
        count: Type.Integer({ minimum: 1 }),
      }),
      { minItems: 1, maxItems: 64 },
    ),
  }),
])

const numberParams = closed({ number: Type.String({ pattern: '^[1-9]\\d{0,14}$' }) })
const noteBody = closed({ note: Type.Optional(Type.String({ maxLength: 512 })) })

/** Security events for operators, and the reports of members that lead to them. */
export function addEventRoutes(app: App, context: RouteContext): void {
  addReportRoute(app, context)
  addReadingRoutes(app, context)
  addMarkingRoutes(app, context)
}

function addReportRoute(app: App, { authority }: RouteContext): void {
  app.post(
    '/v1/reports',
    {
      config: { access: 'member' },
      schema: {
        body: closed({
          point: Type.String({ minLength: 1, maxLength: 64 }),
          reports: Type.Array(reportSchema, { minItems: 1, maxItems: 16 }),
        }),
      },
    },
    async (request) => {
      const { sid } = sessionOf(request)
      const { point } = request.body
      const outcomes = await authority.watch.reports.take({ sid, point }, request.body.reports)
      return { outcomes: [...outcomes] }
    },
  )
}

function addReadingRoutes(app: App, { authority }: RouteContext): void {
  const { decisions } = authority
  const { events } = authority.watch
  app.get(
    '/v1/events',
    {
      config: requireRole('viewer'),
      schema: {
        querystring: closed({
          after: Type.Optional(Type.Integer({ minimum: 0, description: 'events after this number' })),
          kind: Type.Optional(Type.Union(securityEventKinds.map((kind) => Type.Literal(kind)))),
          state: Type.Optional(
            Type.Union(['open', 'acknowledged', 'closed'].map((state) => Type.Literal(state))),
          ),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
        }),
      },
    },
    async (request) => {
      const { limit = 100, ...query } = request.query
      const listed = await events.list({ limit, ...(query as Omit<EventQuery, 'limit'>) })
      return { events: listed.map((event) => eventJson(event)) }
    },
  )

  app.get(
    '/v1/events/:number',
    { config: requireRole('viewer'), schema: { params: numberParams } },
    async (request) => {
      const event = await events.get(Number(request.params.number))
      const affected = await affectedBy(event, decisions)
      const steps = await events.steps(event.number)
      return {
        ...eventJson(event),
        steps: steps.map(({ timeMs, actor, act, note }) => ({ timeMs, actor, act, note })),
        affected: [...affected],
      }
    },
  )

  app.get(
    '/v1/key-uses',
    {
      config: requireRole('viewer'),
      schema: {
        querystring: closed({ minutes: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_440 })) }),
      },
    },
    async (request) => {
      const from = Math.floor(authority.clock.now() / 60_000) - (request.query.minutes ?? 60)
      return { uses: await authority.watch.uses.list(from) }
    },
  )
}

function addMarkingRoutes(app: App, { authority }: RouteContext): void {
  for (const [verb, state] of [
    ['acknowledge', 'acknowledged'],
    ['close', 'closed'],
  ] as const) {
    app.post(
      `/v1/events/:number/${verb}`,
      { config: requireRole('operator'), schema: { params: numberParams, body: noteBody } },
      async (request) => {
        const number = Number(request.params.number)
        const by = { actor: actorOf(request), note: request.body.note ?? '' }
        const event = await authority.watch.events.mark(number, state, by)
        await authority.acts.record(by.actor, `event-${verb}`, { event: number })
        return eventJson(event)
      },
    )
  }
}

/** The decisions that rest on what the event is about. */
async function affectedBy(event: SecurityEvent, decisions: Decisions): Promise<readonly Json[]> {
  const limit = 1_000
  if (event.log === null) return []
  if (event.kind !== 'attestation_invalid')
    return (await decisions.list({ log: event.log, head: 'unlogged', limit })).decisions
  const { index } = event.proof
  if (typeof index !== 'number') return []
  return (await decisions.list({ ...passedOn(event.log, index), limit })).decisions
}

/** By these, requests passed on an attestation that had not been checked. */
function passedOn(attestationLog: string, attestationIndex: number): DecisionFilter {
  return { attestationLog, attestationIndex, reasons: ['ok_shallow', 'ok_retry'] }
}

function eventJson(event: SecurityEvent): JsonObject {
  return { ...event }
}
