import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { QuantumIpCall } from './call.ts'
import { holdAnswer } from './lib/hold-answer.ts'
import { readNodeRequest, replaceNodeFields } from './lib/node-request.ts'
import type { QuantumIp } from './quantum-ip.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; not there on routes with `config: { quantumIp: 'exempt' }`. */
    quantumIp: QuantumIpCall
  }
  interface FastifyContextConfig {
    /** `exempt`: nobody is asked who calls. For health checks. */
    quantumIp?: 'exempt'
  }
}

/**
 * Plugin for Fastify 5: an `onRequest` hook for all routes of the context that it is registered in, and of those within. It runs before
 * bodies are read.
 */
export function fastifyQuantumIp(quantumIp: QuantumIp): FastifyPluginAsync {
  const plugin: FastifyPluginAsync = async (app) => {
    app.decorateRequest('quantumIp', null as unknown as QuantumIpCall)
    app.addHook('onRequest', async (request, reply) => {
      if (request.routeOptions.config.quantumIp !== 'exempt') await guard(quantumIp, request, reply)
    })
  }
  // What `fastify-plugin` does: hooks and decorators count where the plugin is registered, not only within it.
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: '@quantum-ip/middleware',
  })
}

async function guard(quantumIp: QuantumIp, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const judged = await quantumIp.judge(readNodeRequest(request.raw, quantumIp, request.originalUrl))
  if (!judged.passes) {
    const { status, fields, body } = judged.answer
    for (let i = 0; i < fields.length; i += 2) reply.header(fields[i] as string, fields[i + 1])
    return reply.code(status).send(body)
  }
  const { call, fields, hold } = judged
  // Nobody is there any more: no handler runs for them.
  if (!holdAnswer(hold, reply.raw)) return reply.hijack()
  replaceNodeFields(request.raw, fields)
  request.quantumIp = call
  return undefined
}
