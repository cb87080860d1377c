import { once } from 'node:events'
import { createSecureServer } from 'node:http2'
import { createServer, type Server } from 'node:https'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import type { TestCertificate } from '../../../enforce/test/support/certificates.ts'
import { expressQuantumIp } from '../../src/express.ts'
import { fastifyQuantumIp } from '../../src/fastify.ts'
import { honoQuantumIp } from '../../src/hono.ts'
import type { QuantumIp } from '../../src/index.ts'
import { koaQuantumIp } from '../../src/koa.ts'
import { verified } from '../../src/node-http.ts'
import { portOf, type TestServer } from './scene.ts'
import { seenBy } from './seen.ts'

/** TLS that asks for client certificates, and takes callers without one, too. */
export interface SecureTerms {
  readonly server: TestCertificate
  readonly issuer: TestCertificate
}

type Open = (quantumIp: QuantumIp, terms: SecureTerms) => Promise<TestServer>

function tlsOf({ server, issuer }: SecureTerms) {
  // Whether a certificate holds is found out by the point: a server may take callers without one.
  const { key, cert } = server
  return { key, cert, ca: issuer.cert, requestCert: true, rejectUnauthorized: false }
}

async function listening(server: Server | ReturnType<typeof createSecureServer>): Promise<TestServer> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    async [Symbol.asyncDispose]() {
      if ('closeAllConnections' in server) server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Servers of every framework with TLS of their own, by name. */
export const secureServers: Readonly<Record<string, Open>> = {
  'node:https': (quantumIp, terms) =>
    listening(
      createServer(
        tlsOf(terms),
        verified(quantumIp, ({ quantumIp: call, headers }, response) => {
          response.end(JSON.stringify(seenBy(call, headers, '')))
        }),
      ),
    ),
  'node:http2': (quantumIp, terms) => {
    const listener = verified(quantumIp, ({ quantumIp: call, headers }, response) => {
      response.end(JSON.stringify(seenBy(call, headers, '')))
    })
    // Its requests are those of `node:http` by their compatibility.
    return listening(
      createSecureServer({ ...tlsOf(terms), allowHTTP1: true }, listener as (...of: unknown[]) => void),
    )
  },
  Express: (quantumIp, terms) => {
    const app = express()
    app.use(expressQuantumIp(quantumIp), (request, response) => {
      response.json(seenBy(request.quantumIp, request.headers, ''))
    })
    return listening(createServer(tlsOf(terms), app))
  },
  Fastify: async (quantumIp, terms) => {
    const app = fastify({ https: tlsOf(terms) })
    await app.register(fastifyQuantumIp(quantumIp))
    app.get('/cart', async (request) => seenBy(request.quantumIp, request.headers, ''))
    await app.listen({ port: 0, host: '127.0.0.1' })
    return {
      port: portOf(app.server),
      async [Symbol.asyncDispose]() {
        app.server.closeAllConnections()
        await app.close()
      },
    }
  },
  Koa: (quantumIp, terms) => {
    const app = new Koa()
    app.use(koaQuantumIp(quantumIp))
    app.use((context) => {
      context.body = seenBy(context.quantumIp, context.headers, '')
    })
    const handle = app.callback()
    return listening(createServer(tlsOf(terms), (request, response) => void handle(request, response)))
  },
  Hono: (quantumIp, terms) => {
    const app = new Hono()
    app.use(honoQuantumIp(quantumIp))
    app.get('/cart', (context) => context.json(seenBy(context.var.quantumIp, context.req.header(), '')))
    const handle = getRequestListener(app.fetch)
    return listening(createServer(tlsOf(terms), (request, response) => void handle(request, response)))
  },
}
