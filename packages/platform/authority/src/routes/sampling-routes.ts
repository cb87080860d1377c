import { type App, type FeedEvent, requireRole } from '@quantum-ip/http'
import { Type } from 'typebox'
import type { Sampling, SamplingState } from '../state/sampling.ts'
import { actorOf, type RouteContext } from './route-context.ts'
import { closed } from './schemas.ts'

let told = 0

/**
 * The event of the feed that says how much is checked. Not signed: it comes over the member's own session, and can only raise what
 * the member is configured to do.
 */
export function samplingEvent({ percent, event, openIncident, untilMs }: SamplingState): FeedEvent {
  return {
    id: `sampling-${process.pid}-${Date.now()}-${++told}`,
    event: 'sampling',
    // The name is from before there were incidents; members of every version read it.
    data: JSON.stringify({ percent, untilMs, eventOpen: event !== null || openIncident !== null }),
  }
}

/** The share of deep checks in the fleet: what holds, raise it, lower it. */
export function addSamplingRoutes(app: App, { authority }: RouteContext, sampling: Sampling): void {
  app.get('/v1/sampling', { config: requireRole('viewer') }, async () => sampling.look())

  app.put(
    '/v1/sampling',
    {
      config: requireRole('operator'),
      schema: {
        body: closed({
          percent: Type.Integer({ minimum: 1, maximum: 100 }),
          reason: Type.String({ minLength: 1, maxLength: 512 }),
          seconds: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 2_592_000, description: 'absent: until it is lowered' }),
          ),
        }),
      },
    },
    async (request) => {
      const { percent, reason, seconds } = request.body
      const by = actorOf(request)
      const untilMs = seconds === undefined ? 0 : authority.clock.now() + seconds * 1_000
      const state = await sampling.raise({ percent, reason, untilMs, by })
      await authority.acts.record(by, 'sampling-raise', { percent, reason, untilMs })
      return state
    },
  )

  app.delete('/v1/sampling', { config: requireRole('operator') }, async (request) => {
    const state = await sampling.lower()
    await authority.acts.record(actorOf(request), 'sampling-lower', {})
    return state
  })
}
