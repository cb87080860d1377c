import type { JsonObject } from '@quantum-ip/base'
import { type App, requireRole } from '@quantum-ip/http'
import { Type } from 'typebox'
import { type PolicyCounts, reportedActions } from '../policies/policy-reports.ts'
import { type Promotion, wholeShare } from '../policies/promotion.ts'
import { policyNameSchema, rolloutJson } from './policy-schemas.ts'
import { actorOf, type RouteContext, sessionOf } from './route-context.ts'
import { closed } from './schemas.ts'

const params = closed({ name: policyNameSchema })
const reason = Type.String({ minLength: 1, maxLength: 400 })
// More than any member answers while a rollout is in force; what is added up must stay a whole number.
const count = Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 })
const actionSchema = Type.Union(reportedActions.map((action) => Type.Literal(action)))

/** Policies on their way into force, and what members count meanwhile. */
export function addPromotionRoutes(app: App, context: RouteContext): void {
  addPromoteRoute(app, context)
  addTakeBackRoute(app, context)
  addReportRoute(app, context)
}

function addPromoteRoute(app: App, { authority }: RouteContext): void {
  app.post(
    '/v1/policies/:name/promotions',
    {
      config: requireRole('operator'),
      schema: {
        params,
        body: closed({
          shares: Type.Array(
            Type.Integer({ minimum: 1, maximum: wholeShare, description: 'hundredths of a percent' }),
            { minItems: 1, maxItems: 16, description: 'for which share it is carried out, step by step' },
          ),
          enforces: Type.Boolean({ description: 'whether it is in force for all after the last step' }),
          soakMs: Type.Integer({ minimum: 0, maximum: 604_800_000, description: 'that each step lasts' }),
          budget: Type.Integer({
            minimum: 0,
            maximum: wholeShare,
            description: 'hundredths of a percent of the requests of verified callers',
          }),
          requestsMin: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
        }),
      },
    },
    async (request) => {
      const { name } = request.params
      const by = actorOf(request)
      const shares = [...new Set(request.body.shares)].sort((a, b) => a - b)
      const promotion = await authority.promotions.start({ ...request.body, shares, name, by })
      const { number, plan } = promotion
      await authority.acts.record(by, 'policy-promote', {
        name,
        promotion: number,
        version: plan.version,
        shares,
      })
      return { promotion: promotionJson(promotion) }
    },
  )
}

function addTakeBackRoute(app: App, { authority }: RouteContext): void {
  app.post(
    '/v1/policies/:name/rollback',
    {
      config: requireRole('operator'),
      schema: {
        params,
        body: closed({
          reason,
          version: Type.Optional(
            Type.Integer({ minimum: 1, description: 'default: what was in force before' }),
          ),
          candidateOnly: Type.Optional(Type.Boolean({ description: 'take only the candidate out' })),
        }),
      },
    },
    async (request) => {
      const { name } = request.params
      const by = actorOf(request)
      const { document } = await authority.promotions.takeBack({ ...request.body, name, by })
      const { number, active } = document
      const detail = { name, rollout: number, version: active.version, reason: request.body.reason }
      await authority.acts.record(by, 'policy-rollback', detail)
      return { rollout: rolloutJson(document) }
    },
  )
}

function addReportRoute(app: App, { authority }: RouteContext): void {
  const report = closed({
    name: policyNameSchema,
    rollout: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    requests: count,
    rejected: count,
    errors: count,
    differences: Type.Array(
      closed({
        rule: Type.String({ maxLength: 64 }),
        caller: Type.String({ maxLength: 512 }),
        from: actionSchema,
        to: actionSchema,
        count,
        decision: Type.Optional(Type.String({ maxLength: 128 })),
      }),
      { maxItems: 1_000 },
    ),
  })
  app.post(
    '/v1/policies/reports',
    {
      config: { access: 'session' },
      schema: {
        body: closed({
          point: Type.String({ minLength: 1, maxLength: 64 }),
          run: Type.String({ minLength: 1, maxLength: 32 }),
          reports: Type.Array(report, { maxItems: 256 }),
        }),
      },
    },
    async (request, reply) => {
      const { point, run, reports } = request.body
      await authority.policyReports.take({ session: sessionOf(request), point, run }, reports)
      return reply.code(204).send()
    },
  )
}

/** A promotion as the API shows it. */
export function promotionJson({ plan, endedMs, outcome, detail, ...promotion }: Promotion): JsonObject {
  return {
    ...promotion,
    plan: { ...plan, shares: [...plan.shares] },
    ...(endedMs !== undefined && { endedMs }),
    ...(outcome !== undefined && { outcome }),
    ...(detail !== undefined && { detail }),
  }
}

/** What members counted, as the API shows it. */
export function countsJson({ differences, ...counts }: PolicyCounts): JsonObject {
  return { ...counts, differences: differences.map((difference) => ({ ...difference })) }
}
