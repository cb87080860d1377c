// Services of each framework that hand on what they let through: to the service behind, or to its jail.
import { once } from 'node:events'
import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { type Duplex, pipeline } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import type { CompiledPolicy } from '@quantum-ip/policy'
import type { CasePoint } from '../../../enforce/test/support/case-reasons.ts'
import { casePolicies, caseRoutes, type CaseWorld } from '../../../enforce/test/support/case-world.ts'
import { expressQuantumIp } from '../../src/express.ts'
import { fastifyQuantumIp } from '../../src/fastify.ts'
import { honoQuantumIp } from '../../src/hono.ts'
import { createQuantumIp, type QuantumIp, type QuantumIpCall } from '../../src/index.ts'
import { koaQuantumIp } from '../../src/koa.ts'
import { verified, verifiedUpgrade } from '../../src/node-http.ts'
import { verifiedFetch } from '../../src/web.ts'
import { portOf } from './scene.ts'

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

/** Where a call goes on to. */
type UrlOf = (call: QuantumIpCall) => string

/** One route of a service: verification in front of a handler that hands on. */
export type OpenListener = (quantumIp: QuantumIp, urlOf: UrlOf) => Listener | Promise<Listener>

function handOn(request: IncomingMessage, response: ServerResponse, url: string): void {
  const { method, url: target, rawHeaders } = request
  const sent = httpRequest(new URL(url), { method, path: target, headers: [...rawHeaders] }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
    pipeline(answer, response, () => undefined)
  })
  sent.on('error', () => response.destroy())
  pipeline(request, sent, () => undefined)
}

/** By framework. */
export const listeners: Readonly<Record<string, OpenListener>> = {
  'node:http': (quantumIp, urlOf) =>
    verified(quantumIp, (request, response) => handOn(request, response, urlOf(request.quantumIp))),
  Express(quantumIp, urlOf) {
    const app = express()
    app.use(expressQuantumIp(quantumIp))
    app.use((request, response) => handOn(request, response, urlOf(request.quantumIp)))
    return app
  },
  async Fastify(quantumIp, urlOf) {
    const app = fastify({ routerOptions: { ignoreDuplicateSlashes: false } })
    await app.register(fastifyQuantumIp(quantumIp))
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    app.all('*', (request, reply) => {
      reply.hijack()
      handOn(request.raw, reply.raw, urlOf(request.quantumIp))
    })
    await app.ready()
    return (request, response) => app.routing(request, response)
  },
  Hono(quantumIp, urlOf) {
    const app = new Hono<{ Bindings: { incoming: IncomingMessage; outgoing: ServerResponse } }>()
    app.use(honoQuantumIp(quantumIp))
    app.all('*', (context) => {
      handOn(context.env.incoming, context.env.outgoing, urlOf(context.var.quantumIp))
      return RESPONSE_ALREADY_SENT
    })
    return getRequestListener(app.fetch)
  },
  Koa(quantumIp, urlOf) {
    const app = new Koa()
    app.use(koaQuantumIp(quantumIp))
    app.use((context) => {
      context.respond = false
      handOn(context.req, context.res, urlOf(context.quantumIp))
    })
    return app.callback()
  },
  'the shape of `fetch`'(quantumIp, urlOf) {
    const handler = verifiedFetch(quantumIp, (request, { quantumIp: call }) => {
      const { method, headers, body } = request
      const { pathname, search } = new URL(request.url)
      const to = new URL(pathname + search, urlOf(call))
      return fetch(to, { method, headers: withoutHop(headers), body, duplex: 'half' })
    })
    return getRequestListener((request) => handler(request))
  },
}

function withoutHop(headers: Headers): Headers {
  const rest = new Headers(headers)
  for (const name of ['host', 'connection', 'transfer-encoding', 'content-length', 'expect'])
    rest.delete(name)
  return rest
}

/** Carries an upgrade on: the head as it is seen here, and then bytes. */
function tunnel(request: IncomingMessage, socket: Duplex, head: Buffer, port: number): void {
  const { method, url, rawHeaders } = request
  const fields = rawHeaders.map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('')
  const on = connect(port, '127.0.0.1')
  on.write(`${method} ${url} HTTP/1.1\r\n${fields}\r\n`)
  on.write(head)
  pipeline(socket, on, () => undefined)
  pipeline(on, socket, () => undefined)
}

/** A service with every route of the shared body of cases. */
export async function openHandingOn(world: CaseWorld, open: OpenListener): Promise<CasePoint> {
  const { service, jail } = world
  const urlOf: UrlOf = ({ action }) => (action === 'quarantine' ? jail.url : service.url)
  const byPath = new Map<string, Listener>()
  for (const { path, policy } of caseRoutes) byPath.set(path, await open(casePoint(world, policy), urlOf))
  // Beyond the limit of `node:http`, so that it is the middleware that sees a field over every limit.
  const server = createServer({ maxHeaderSize: 131_072 }, (request, response) => {
    const [, first = ''] = (request.url ?? '').split(/[/?]/)
    const listener = byPath.get(`/${first}`) ?? byPath.get('/')
    listener?.(request, response)
  })
  server.on(
    'upgrade',
    verifiedUpgrade(casePoint(world, 'enforced'), (request, socket, head) =>
      tunnel(request, socket, head, service.port),
    ),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    unverifiableStatus: 503,
    webSocket: true,
    without: {
      'an exempt path passes without a token, and nothing beside it':
        'what is exempt is what the application puts before the middleware',
      grpc: 'gRPC has an interceptor, which runs the reasons by itself',
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Verification with one of the policies of the cases. */
export function casePoint(world: CaseWorld, policy: string): QuantumIp {
  return createQuantumIp({
    service: world.domain.shop,
    verifier: world.verifier,
    decisions: world.decisions,
    clock: { now: () => world.domain.clock.now() },
    policy: casePolicies.get(policy) as CompiledPolicy,
    quarantine: 'mark',
  })
}
