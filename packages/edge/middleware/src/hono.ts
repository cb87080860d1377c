import type { IncomingMessage } from 'node:http'
import type { MiddlewareHandler } from 'hono'
import type { QuantumIpCall } from './call.ts'
import { isReserved, reservedFields } from './lib/fields.ts'
import { coordinates, readNodeRequest, replaceNodeFields } from './lib/node-request.ts'
import type { CallToJudge, QuantumIp } from './quantum-ip.ts'

declare module 'hono' {
  interface ContextVariableMap {
    /** Behind the middleware of Quantum IP: who calls. */
    quantumIp: QuantumIpCall
  }
}

/** Middleware for Hono 4: what comes behind it is called for requests that may go on; all others are answered here. */
export function honoQuantumIp(quantumIp: QuantumIp): MiddlewareHandler {
  return async (context, next) => {
    const incoming = (context.env as { readonly incoming?: IncomingMessage } | undefined)?.incoming
    const judged = await quantumIp.judge(
      incoming === undefined
        ? readWebRequest(context.req.raw, quantumIp)
        : readNodeRequest(incoming, quantumIp),
    )
    if (!judged.passes) {
      const { status, fields, body } = judged.answer
      return new Response(body, { status, headers: pairsOf(fields) })
    }
    const { call, fields, release } = judged
    try {
      if (incoming !== undefined) replaceNodeFields(incoming, fields)
      context.req.raw = withFields(context.req.raw, fields)
      context.set('quantumIp', call)
      await next()
    } finally {
      release?.()
    }
    return undefined
  }
}

function readWebRequest(request: Request, { scheme }: QuantumIp): CallToJudge {
  const url = new URL(request.url)
  const authority = request.headers.get('host') ?? url.host
  const target = url.pathname + url.search
  const own = scheme ?? (url.protocol === 'https:' ? 'https' : 'http')
  // Equal fields have been joined already. A token has no comma: more than one part is more than one field.
  const flat = [...request.headers].flatMap(([name, value]) =>
    name === 'tracestate' ? [name, value] : value.split(',').flatMap((part) => [name, part.trim()]),
  )
  const at = coordinates({ method: request.method, authority, scheme: own, target })
  return { at, reserved: reservedFields(flat) }
}

// The fields of a request that came over the network cannot be changed everywhere; then it is another one with the same body.
function withFields(request: Request, fields: readonly string[]): Request {
  try {
    change(request.headers, fields)
    return request
  } catch {
    const headers = new Headers(request.headers)
    change(headers, fields)
    return new Request(request, { headers })
  }
}

function change(headers: Headers, fields: readonly string[]): void {
  // A copy: fields must not go while they are walked over.
  const names = [...headers.keys()]
  for (const name of names) if (isReserved(name)) headers.delete(name)
  for (const [name, value] of pairsOf(fields)) headers.set(name, value)
}

function pairsOf(fields: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let i = 0; i < fields.length; i += 2) pairs.push([fields[i] as string, fields[i + 1] as string])
  return pairs
}
