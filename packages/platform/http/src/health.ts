import { type Static, Type } from 'typebox'
import type { App } from './server.ts'

/** One thing that must hold for requests to be served. */
export interface HealthCheck {
  readonly name: string
  readonly ok: boolean
  /** Why not, for people. */
  readonly reason?: string
}

const closed = { additionalProperties: false } as const

const aliveSchema = Type.Object({ status: Type.Literal('ok') }, closed)

const readySchema = Type.Object(
  {
    ready: Type.Boolean(),
    checks: Type.Array(
      Type.Object({ name: Type.String(), ok: Type.Boolean(), reason: Type.Optional(Type.String()) }, closed),
    ),
  },
  closed,
)

/** What {@link addHealthRoutes} takes. */
export interface HealthOptions {
  readonly stopping: () => boolean
  readonly ready?: () => Promise<readonly HealthCheck[]> | readonly HealthCheck[]
}

/** Adds `/healthz` (the process answers) and `/readyz` (every check holds, and the server is not stopping). */
export function addHealthRoutes(app: App, { stopping, ready }: HealthOptions): void {
  const config = { access: 'open', vital: true } as const
  app.get(
    '/healthz',
    { config, exposeHeadRoute: true, schema: { tags: ['health'], response: { 200: aliveSchema } } },
    () => ({
      status: 'ok' as const,
    }),
  )
  const response = { 200: readySchema, 503: readySchema }
  app.get(
    '/readyz',
    { config, exposeHeadRoute: true, schema: { tags: ['health'], response } },
    async (_request, reply) => {
      const checks: Static<typeof readySchema>['checks'] = []
      if (stopping()) checks.push({ name: 'server', ok: false, reason: 'it is stopping' })
      checks.push(...((await ready?.()) ?? []))
      const holds = checks.every((check) => check.ok)
      return await reply.code(holds ? 200 : 503).send({ ready: holds, checks })
    },
  )
}
