import type { Middleware } from 'koa'
import type { QuantumIpCall } from './call.ts'
import { holdAnswer } from './lib/hold-answer.ts'
import { readNodeRequest, replaceNodeFields } from './lib/node-request.ts'
import type { QuantumIp } from './quantum-ip.ts'

declare module 'koa' {
  interface DefaultContext {
    /** Behind the middleware of Quantum IP: who calls. */
    quantumIp: QuantumIpCall
  }
}

/** Middleware for Koa 3: what comes behind it is called for requests that may go on; all others are answered here. */
export function koaQuantumIp(quantumIp: QuantumIp): Middleware {
  return async (context, next) => {
    const judged = await quantumIp.judge(readNodeRequest(context.req, quantumIp, context.originalUrl))
    if (!judged.passes) {
      const { status, fields, body } = judged.answer
      context.status = status
      context.body = body
      for (let i = 0; i < fields.length; i += 2) context.set(fields[i] as string, fields[i + 1] as string)
      return
    }
    const { call, fields, hold } = judged
    if (!holdAnswer(hold, context.res)) return
    replaceNodeFields(context.req, fields)
    context.quantumIp = call
    await next()
  }
}
