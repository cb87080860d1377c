import { type App, requireRole } from '@quantum-ip/http'
import { verdictTable } from '@quantum-ip/verifier'
import { Type } from 'typebox'
import { type AdjudicationVerdict, adjudicationVerdicts } from '../decisions/adjudications.ts'
import { actorOf, type RouteContext } from './route-context.ts'
import { closed } from './schemas.ts'

const params = closed({ id: Type.String({ minLength: 1, maxLength: 128 }) })
const dayMs = 24 * 3_600_000

/** What operators say of decisions, and how many flags were wrong (M10). */
export function addAdjudicationRoutes(app: App, { authority }: RouteContext): void {
  const { adjudications } = authority
  app.post(
    '/v1/decisions/:id/adjudication',
    {
      config: requireRole('operator'),
      schema: {
        params,
        body: closed({
          verdict: Type.Union(adjudicationVerdicts.map((verdict) => Type.Literal(verdict))),
          note: Type.String({ maxLength: 512, description: 'why' }),
        }),
      },
    },
    async (request) => {
      const { verdict, note } = request.body
      const said = { operator: actorOf(request), verdict: verdict as AdjudicationVerdict, note }
      return { ...(await adjudications.mark(request.params.id, said)) }
    },
  )

  app.get(
    '/v1/decisions/:id/adjudications',
    { config: requireRole('viewer'), schema: { params } },
    async (request) => {
      const said = await adjudications.of(request.params.id)
      return {
        adjudications: said.map(({ timeMs, operator, verdict, note }) => ({
          timeMs,
          operator,
          verdict,
          note,
        })),
      }
    },
  )

  addRatioRoute(app, authority)
}

function addRatioRoute(app: App, authority: RouteContext['authority']): void {
  const { adjudications, decisions, clock } = authority
  app.get(
    '/v1/false-positives',
    {
      config: requireRole('viewer'),
      schema: {
        querystring: closed({
          since: Type.Optional(
            Type.Integer({ minimum: 0, description: 'milliseconds since 1970; default: a day ago' }),
          ),
          until: Type.Optional(Type.Integer({ minimum: 0, description: 'default: now' })),
        }),
      },
    },
    async (request) => {
      const now = clock.now()
      const span = { sinceMs: request.query.since ?? now - dayMs, untilMs: request.query.until ?? now + 1 }
      const { groups } = await decisions.count(span, ['action'])
      const recorded = groups.filter(({ by }) => by.action !== 'allow' && by.action !== null)
      const flagged = recorded.reduce((sum, { requests }) => sum + requests, 0)
      const suppressed = (await decisions.suppressed(span))
        .filter(({ reason }) => !isVerified(reason))
        .reduce((sum, { count }) => sum + count, 0)
      const { falsePositives, confirmed } = await adjudications.falsePositives(span)
      return {
        ...span,
        flagged,
        suppressed,
        falsePositives,
        confirmed,
        // Nobody looks at each of them: those that nothing was said of count as right.
        ratio: flagged + suppressed === 0 ? 0 : falsePositives / (flagged + suppressed),
      }
    },
  )
}

function isVerified(reason: string): boolean {
  return (
    Object.hasOwn(verdictTable, reason) &&
    verdictTable[reason as keyof typeof verdictTable].status === 'verified'
  )
}
