import type { IncomingMessage, ServerResponse } from 'node:http'
import { guardNode, type QuantumIpCall } from '@quantum-ip/middleware/adapter'
import { type HandlerSource, handlerOf } from './lib/handler-of.ts'
import type { ServerlessPoint } from './serverless-point.ts'

/** A handler behind {@link verifiedFunction}: an `HttpFunction` of the framework. */
export type VerifiedFunction<Request, Response> = (
  request: Request & { readonly quantumIp: QuantumIpCall },
  response: Response,
) => unknown

/**
 * An HTTP function of Google's functions-framework: the handler behind it is called for requests that may go on, and all others are
 * answered here. With `load` the application is loaded only when the first request has been let through.
 *
 * What the handler throws is the framework's to answer.
 */
export function verifiedFunction<
  Request extends IncomingMessage & { readonly originalUrl?: string },
  Response extends ServerResponse,
>(
  point: ServerlessPoint,
  source: HandlerSource<VerifiedFunction<Request, Response>>,
): (request: Request, response: Response) => Promise<void> {
  const handler = handlerOf(source)
  return async (request, response) => {
    await point.refresh()
    // The framework may have rewritten `url`.
    const exchange = { request, response, target: request.originalUrl }
    const call = await new Promise<QuantumIpCall | undefined>((resolve) => {
      response.once('close', () => resolve(undefined))
      guardNode(point, exchange, resolve)
    })
    if (call === undefined) return
    const handle = await handler()
    await handle(Object.assign(request, { quantumIp: call }), response)
  }
}
