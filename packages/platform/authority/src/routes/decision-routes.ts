import type { JsonObject } from '@quantum-ip/base'
import { type App, requireRole } from '@quantum-ip/http'
import { Type } from 'typebox'
import { AuthorityError } from '../authority-errors.ts'
import { type DecisionGroup, type Grouping, groupings } from '../decisions/decision-counts.ts'
import { cursorForm, formatCursor, parseCursor } from '../decisions/decision-cursor.ts'
import type { DecisionFilter } from '../decisions/decision-filter.ts'
import type { ReportedDecision } from '../decisions/decision-row.ts'
import { type RouteContext, sessionOf } from './route-context.ts'
import { closed } from './schemas.ts'

const idSchema = Type.String({ minLength: 1, maxLength: 128 })
const timeSchema = Type.Integer({
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'milliseconds since 1970',
})

const decisionSchema = closed({
  id: idSchema,
  timeMs: timeSchema,
  reason: Type.String({ maxLength: 64 }),
  record: Type.Object({}, { 'x-open': 'a decision record of the enforcement point, kept as it is' }),
})

const suppressionSchema = closed({
  id: idSchema,
  point: Type.String({ minLength: 1, maxLength: 64 }),
  reason: Type.String({ maxLength: 64 }),
  // More than a gateway answers in a year; what is added up must stay a whole number.
  count: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 }),
  fromMs: timeSchema,
  toMs: timeSchema,
})

const sealKeySchema = closed({
  id: idSchema,
  timeMs: timeSchema,
  point: Type.String({ minLength: 1, maxLength: 64 }),
  kid: Type.String({ minLength: 1, maxLength: 64, description: "the custodian's key" }),
  sealed: Type.String({ minLength: 1, maxLength: 4_096, pattern: '^[A-Za-z0-9_-]+$' }),
})

const text = (charsMax: number, description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: charsMax, description }))
const whole = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description }))

/** What decisions are looked up by; all that is given must hold. */
const filterMembers = {
  since: whole('from then on; milliseconds since 1970'),
  until: whole('before then; milliseconds since 1970'),
  reason: text(1_024, 'reason of the verdict, or several with commas'),
  status: text(32, 'status of the verdict'),
  action: text(32, 'what was done: allow, reject, quarantine'),
  wouldBe: text(32, 'what is, or would be, done if the policy is enforced'),
  service: text(512, 'service ID of the service that was called'),
  subject: text(512, 'service ID of the caller, proven'),
  build: Type.Optional(
    Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the build of the caller' }),
  ),
  log: text(255, 'about tokens of this log, which is to say: of the key that signs it'),
  index: whole('with `log`: about this token of it'),
  head: Type.Optional(
    Type.Union([Type.Literal('provisional'), Type.Literal('unlogged')], {
      description: 'only those that relied on such a head',
    }),
  ),
  attestationLog: text(255, 'that rest on an attestation of this log'),
  attestationIndex: whole('with `attestationLog`: on this one'),
  point: text(64, 'enforcement point'),
  policy: text(128, 'name of the policy'),
  policyVersion: whole('version of the policy'),
  rule: text(128, 'name of the rule that decided'),
  trace: Type.Optional(Type.String({ pattern: '^[0-9a-f]{32}$', description: 'trace ID' })),
}

const pageSchema = closed({
  ...filterMembers,
  order: Type.Optional(
    Type.Union([Type.Literal('newest'), Type.Literal('oldest')], { description: 'default: newest' }),
  ),
  cursor: Type.Optional(
    Type.String({ pattern: cursorForm, maxLength: 160, description: 'of the page before' }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, description: 'default: 100' })),
})

const oneGrouping = `(?:${groupings.join('|')})`
const countSchema = closed({
  ...filterMembers,
  by: Type.Optional(
    Type.String({
      pattern: `^${oneGrouping}(?:,${oneGrouping}){0,4}$`,
      maxLength: 128,
      description: `what is told apart, up to five with commas: ${groupings.join(', ')}`,
    }),
  ),
})

type FilterQuery = {
  readonly [Name in Exclude<keyof DecisionFilter, 'sinceMs' | 'untilMs' | 'reasons'>]?: DecisionFilter[Name]
} & { readonly since?: number; readonly until?: number; readonly reason?: string }

function filterOf({ since, until, reason, ...rest }: FilterQuery): DecisionFilter {
  return { ...rest, sinceMs: since, untilMs: until, reasons: reason?.split(',') }
}

/** Decisions: those that members report, and what operators ask about them. */
export function addDecisionRoutes(app: App, context: RouteContext): void {
  addReportRoute(app, context)
  addReadingRoutes(app, context)
  addSealKeyRoute(app, context)
}

function addReportRoute(app: App, { authority }: RouteContext): void {
  app.post(
    '/v1/decisions',
    {
      config: { access: 'session' },
      // A thousand records of 1.5 KB, and room.
      bodyLimit: 4 * 1_048_576,
      schema: {
        body: closed({
          records: Type.Array(decisionSchema, { maxItems: 1_000 }),
          suppressed: Type.Optional(
            Type.Array(suppressionSchema, {
              maxItems: 1_000,
              description: 'how many decisions were not recorded, so that counts are honest',
            }),
          ),
          sealKeys: Type.Optional(
            Type.Array(sealKeySchema, {
              maxItems: 100,
              description: "keys that parts of records are sealed under, sealed to a custodian's key",
            }),
          ),
        }),
      },
    },
    async (request) => {
      // What a workload says of requests is no evidence of anything.
      if (sessionOf(request).role !== 'verifier')
        throw new AuthorityError('QIP_AUTHORITY_SESSION_REFUSED', { reason: 'its role is not `verifier`' })
      const { records, suppressed = [], sealKeys = [] } = request.body
      await authority.decisions.add(records as unknown as readonly ReportedDecision[], suppressed, sealKeys)
      return { accepted: records.length + suppressed.length + sealKeys.length }
    },
  )
}

function addReadingRoutes(app: App, { authority }: RouteContext): void {
  const viewer = requireRole('viewer')
  app.get('/v1/decisions', { config: viewer, schema: { querystring: pageSchema } }, async (request) => {
    const { limit = 100, order, cursor, ...filter } = request.query
    const { decisions, next } = await authority.decisions.list({
      ...filterOf(filter),
      limit,
      oldestFirst: order === 'oldest',
      after: cursor === undefined ? undefined : parseCursor(cursor),
    })
    const ids = decisions.map((record) => (record as { readonly id?: unknown }).id)
    const adjudications = await authority.adjudications.last(ids.filter((id) => typeof id === 'string'))
    return {
      decisions: [...decisions],
      adjudications,
      cursor: next === undefined ? null : formatCursor(next),
    }
  })
  app.get(
    '/v1/decision-counts',
    { config: viewer, schema: { querystring: countSchema } },
    async (request) => {
      const { by = '', ...query } = request.query
      const filter = filterOf(query)
      const wanted = by === '' ? [] : (by.split(',') as Grouping[])
      const { groups, ...totals } = await authority.decisions.count(filter, wanted)
      const suppressed = await authority.decisions.suppressed(filter)
      return {
        ...totals,
        groups: groups.map((group) => groupJson(group)),
        suppressed: [...suppressed],
      }
    },
  )
  app.get(
    '/v1/decisions/:id',
    { config: viewer, schema: { params: closed({ id: Type.String({ maxLength: 128 }) }) } },
    async (request) => {
      const found = await authority.decisions.find(request.params.id)
      if (found === undefined) throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: 'decision' })
      return found
    },
  )
}

function addSealKeyRoute(app: App, { authority }: RouteContext): void {
  app.get(
    '/v1/decision-seal-keys/:id',
    { config: requireRole('viewer'), schema: { params: closed({ id: idSchema }) } },
    async (request) => {
      const found = await authority.decisions.sealKey(request.params.id)
      if (found === undefined)
        throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: 'key of sealed fields' })
      return { ...found }
    },
  )
}

function groupJson({ by, ...counts }: DecisionGroup): JsonObject {
  return { ...by, ...counts }
}
