import type { FastifyRequest, RouteOptions } from 'fastify'
import { verifyClosedSchema } from '../closed-schema.ts'
import { guard } from '../guard.ts'
import { HttpError } from '../http-errors.ts'
import type { LoadPriority } from '../load/admission-level.ts'
import type { Overload } from '../overload.ts'
import { type Access, isAccess } from '../roles.ts'
import type { OpenServerOptions, ServerLimits } from '../server-options.ts'
import type { App } from '../server.ts'
import { queryFault } from './parsers.ts'
import { safeName } from './safe-name.ts'
import { codeOf, routeOf } from './send-problem.ts'
import { isNode } from './schema-tree.ts'

/** What {@link addHooks} takes. */
export interface HooksOptions {
  readonly options: OpenServerOptions
  readonly limits: ServerLimits
  readonly overload: Overload
  readonly stopping: () => boolean
}

/** Adds what every route gets, in this order: count, limits, access, and after parsing what no schema describes. */
export function addHooks(app: App, { options, limits, overload, stopping }: HooksOptions): void {
  const { observer } = options
  app.addHook('onRoute', verifyRoute)
  app.addHook('onRequest', async (request, reply) => {
    if (stopping()) void reply.header('connection', 'close')
    if (request.is404) throw new HttpError('QIP_HTTP_ROUTE_UNKNOWN', { method: request.method })
    const { vital = false, longLived = false, access } = request.routeOptions.config
    if (!vital) {
      if (stopping()) throw new HttpError('QIP_HTTP_STOPPING', {})
      if (!longLived) {
        overload.enter(priorityOf(access))
        reply.raw.once('close', () => overload.leave())
      }
    }
    verifyHeader(request, limits)
    await guard(request, options)
  })
  app.addHook('preValidation', (request, _reply, done) => {
    done(undescribed(request))
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (stopping()) void reply.header('connection', 'close')
    done()
  })
  if (observer?.onReply === undefined) return
  app.addHook('onResponse', (request, reply, done) => {
    const { method, id: _id } = request
    const { statusCode: status, elapsedTime: durationMs } = reply
    observer.onReply?.({ method, route: routeOf(request), status, code: codeOf(request), durationMs })
    done()
  })
}

/** Operators first, who revoke while everything else stands still; then those that are known; strangers last. */
function priorityOf(access: Access | undefined): LoadPriority {
  if (access === 'open' || access === undefined) return 'low'
  return access === 'session' || access === 'member' ? 'standard' : 'critical'
}

/**
 * The start-up check: fastify calls it for each route when it is added.
 *
 * @throws {HttpError} `QIP_HTTP_ACCESS_UNDECLARED` or `QIP_HTTP_SCHEMA_OPEN`.
 */
function verifyRoute(route: RouteOptions): void {
  const methods = Array.isArray(route.method) ? route.method.join(',') : route.method
  const name = `${methods} ${route.url}`
  if (!isAccess(route.config?.access)) throw new HttpError('QIP_HTTP_ACCESS_UNDECLARED', { route: name })
  const { body, querystring } = route.schema ?? {}
  if (querystring !== undefined) verifyClosedSchema(querystring, { route: name, part: 'query' })
  for (const schema of bodySchemas(body)) verifyClosedSchema(schema, { route: name, part: 'body' })
}

function bodySchemas(body: unknown): readonly unknown[] {
  if (body === undefined) return []
  if (!isNode(body) || !isNode(body['content'])) return [body]
  return Object.values(body['content']).map((entry) => (isNode(entry) ? entry['schema'] : entry))
}

function verifyHeader(request: FastifyRequest, { headerFieldsMax }: ServerLimits): void {
  if (request.raw.rawHeaders.length > 2 * headerFieldsMax) {
    throw new HttpError('QIP_HTTP_HEADERS_TOO_LARGE', { reason: `more than ${headerFieldsMax} fields` })
  }
  const fault = queryFault(request.query)
  if (fault !== undefined) throw fault
}

// What no schema describes is refused: a body where none is expected, and any query parameter of a route that has none.
function undescribed(request: FastifyRequest): Error | undefined {
  const { body, querystring } = request.routeOptions.schema ?? {}
  if (querystring === undefined) {
    const [name] = Object.keys(request.query ?? {})
    if (name !== undefined) {
      const reason = `unknown member \`${safeName(name)}\`, this route has no query`
      return new HttpError('QIP_HTTP_REQUEST_INVALID', { part: 'query', path: `/${safeName(name)}`, reason })
    }
  }
  if (body === undefined && request.body !== undefined && request.body !== null) {
    return new HttpError('QIP_HTTP_REQUEST_INVALID', {
      part: 'body',
      path: '',
      reason: 'this route takes no body',
    })
  }
  // fastify leaves a body unchecked whose media type is not among those that the schema lists.
  const types = isNode(body) && isNode(body['content']) ? body['content'] : undefined
  const mediaType = request.mediaType
  if (types !== undefined && (mediaType === undefined || !Object.hasOwn(types, mediaType))) {
    return new HttpError('QIP_HTTP_MEDIA_TYPE_UNSUPPORTED', {})
  }
  return undefined
}
