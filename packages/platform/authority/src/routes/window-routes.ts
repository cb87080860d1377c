import { type App, requireRole } from '@quantum-ip/http'
import { type WindowKind, windowKinds } from '@quantum-ip/telemetry'
import { Type } from 'typebox'
import { AuthorityError } from '../authority-errors.ts'
import { windowJson } from '../operations/windows.ts'
import { actorOf, type RouteContext } from './route-context.ts'
import { closed, sidSchema } from './schemas.ts'

const numberParams = closed({ number: Type.String({ pattern: '^[1-9]\\d{0,14}$' }) })
const momentSchema = Type.Integer({ minimum: 0, description: 'milliseconds since 1970' })

/** Windows in which alerts are not wanted: declare one, now or ahead, close it early, and read them again. */
export function addWindowRoutes(app: App, context: RouteContext): void {
  addReadingRoutes(app, context)
  addWritingRoutes(app, context)
}

function addReadingRoutes(app: App, { authority }: RouteContext): void {
  const { windows } = authority.operations
  app.get(
    '/v1/windows',
    {
      config: requireRole('viewer'),
      schema: {
        querystring: closed({
          all: Type.Optional(Type.Boolean({ description: 'those that are over, too' })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
        }),
      },
    },
    async (request) => {
      const { all = false, limit = 100 } = request.query
      const now = authority.clock.now()
      const listed = await windows.list({ limit, ...(!all && { untilAfterMs: now }) })
      return { windows: listed.map((window) => windowJson(window, now)) }
    },
  )

  app.get(
    '/v1/windows/:number',
    { config: requireRole('viewer'), schema: { params: numberParams } },
    async (request) => windowJson(await windows.get(Number(request.params.number)), authority.clock.now()),
  )
}

function addWritingRoutes(app: App, { authority, services: declared }: RouteContext): void {
  const { acts, clock, operations } = authority
  const { windows } = operations
  app.post(
    '/v1/windows',
    {
      config: requireRole('operator'),
      schema: {
        body: closed({
          kind: Type.Optional(Type.Union(windowKinds.map((kind) => Type.Literal(kind)))),
          services: Type.Optional(
            Type.Array(sidSchema, { maxItems: 256, uniqueItems: true, description: 'absent or empty: all' }),
          ),
          fromMs: Type.Optional({ ...momentSchema, description: 'absent: now' }),
          untilMs: momentSchema,
          reason: Type.String({ minLength: 1, maxLength: 512 }),
          owner: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
        }),
      },
    },
    async (request) => {
      const { services = [], fromMs = clock.now(), untilMs, reason } = request.body
      const kind = (request.body.kind ?? 'maintenance') as WindowKind
      const openedBy = actorOf(request)
      mustBeDeclared(services, declared)
      const { owner = openedBy } = request.body
      const order = { kind, services, fromMs, untilMs, reason, owner, openedBy, rotation: null }
      const window = await windows.open(order)
      await acts.record(openedBy, 'window-open', { window: window.number, kind, services, fromMs, untilMs })
      await operations.declared.look()
      return windowJson(window, clock.now())
    },
  )

  app.post(
    '/v1/windows/:number/close',
    { config: requireRole('operator'), schema: { params: numberParams, body: closed({}) } },
    async (request) => {
      const [number, actor] = [Number(request.params.number), actorOf(request)]
      const window = await windows.close(number, actor)
      await acts.record(actor, 'window-close', { window: number })
      await operations.declared.look()
      return windowJson(window, clock.now())
    },
  )
}

/** Metrics have a series for each declared service: a window for another one would silence nothing, and nobody would know. */
function mustBeDeclared(services: readonly string[], declared: RouteContext['services']): void {
  const known = new Set(declared.map(({ id }) => id))
  const unknown = services.find((service) => !known.has(service))
  if (unknown === undefined) return
  throw new AuthorityError('QIP_AUTHORITY_WINDOW_REFUSED', {
    reason: `\`${unknown}\` is not listed under \`services\` of the authority's configuration`,
    next: 'list it there, or declare the window for all services; `qip services` shows those that are listed',
  })
}
