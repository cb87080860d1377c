import type { IncomingMessage, ServerResponse } from 'node:http'
import type { MiddlewareHandler } from 'hono'
import type { QuantumIpCall } from './call.ts'
import { holdAnswer } from './lib/hold-answer.ts'
import { readNodeRequest, replaceNodeFields } from './lib/node-request.ts'
import { WebHold } from './lib/web-hold.ts'
import { WebRequest } from './lib/web-request.ts'
import type { CallToJudge, QuantumIp } from './quantum-ip.ts'
import { refusal } from './web.ts'

declare module 'hono' {
  interface ContextVariableMap {
    /** Behind the middleware of Quantum IP: who calls. */
    quantumIp: QuantumIpCall
  }
}

// What `@hono/node-server` has in the environment of a request.
interface NodeEnvironment {
  readonly incoming?: IncomingMessage
  readonly outgoing?: ServerResponse
}

/** Middleware for Hono 4: what comes behind it is called for requests that may go on; all others are answered here. */
export function honoQuantumIp(quantumIp: QuantumIp): MiddlewareHandler {
  return async (context, next) => {
    const { incoming, outgoing } = (context.env ?? {}) as NodeEnvironment
    const web = new WebRequest(context.req.raw)
    const judged = await quantumIp.judge(
      incoming === undefined ? web.toJudge(quantumIp) : readHonoRequest(web, incoming, quantumIp),
    )
    if (!judged.passes) return refusal(judged)
    const { call, fields } = judged
    const isNode = incoming !== undefined && outgoing !== undefined
    // There is nobody to answer any more; what is returned goes nowhere.
    if (isNode && !holdAnswer(judged.hold, outgoing)) return new Response(null, { status: 499 })
    const hold = new WebHold(isNode ? undefined : judged.hold)
    try {
      if (incoming !== undefined) replaceNodeFields(incoming, fields)
      web.replaceFields(fields)
      context.req.raw = web.request
      context.set('quantumIp', call)
      await next()
      const response = hold.around(context.res)
      if (response !== context.res) context.res = response
    } catch (error) {
      hold.leave()
      throw error
    }
    return undefined
  }
}

// `@hono/node-server` gives nobody a body of which something was read: what is read ahead is the body of its `Request`.
function readHonoRequest(web: WebRequest, incoming: IncomingMessage, quantumIp: QuantumIp): CallToJudge {
  const { body, ...rest } = readNodeRequest(incoming, quantumIp)
  return { ...rest, body: body && ((sizeMax) => web.readAhead(sizeMax)) }
}
