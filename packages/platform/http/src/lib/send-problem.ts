import type { FastifyReply, FastifyRequest } from 'fastify'
import { codedError, problemHeaders, problemOf, statusOf } from '../problem.ts'
import type { ServerObserver } from '../server-options.ts'

const codes = new WeakMap<FastifyRequest, string>()

/** The code of the error that a request was answered with. */
export function codeOf(request: FastifyRequest): string | undefined {
  return codes.get(request)
}

/** What {@link sendProblem} takes. */
export interface SendProblemOptions {
  readonly error: unknown
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly observer: ServerObserver | undefined
}

/** Answers with an error. A handler that set a status of the same class before it threw keeps it: 404 beside 400. */
export function sendProblem({ error, request, reply, observer }: SendProblemOptions): void {
  const bodyBytesMax = request.routeOptions.bodyLimit
  const coded = codedError(error, { requestId: request.id, bodyBytesMax })
  if (coded.fault === 'defect')
    observer?.onDefect?.(error, { requestId: request.id, route: routeOf(request) })
  codes.set(request, coded.code)
  const own = statusOf(coded)
  const chosen = reply.statusCode
  const status =
    chosen >= 400 && Math.floor(chosen / 100) === Math.floor(own / 100) && own % 100 === 0 ? chosen : own
  // As text, so that no response schema of the route drops a member of it.
  void reply
    .code(status)
    .headers(problemHeaders(coded))
    .send(JSON.stringify(problemOf(coded, { requestId: request.id, status })))
}

/** The pattern of the route, empty where none matched. */
export function routeOf(request: FastifyRequest): string {
  return request.is404 ? '' : (request.routeOptions.url ?? '')
}
