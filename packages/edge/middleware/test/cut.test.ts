// Calls that are open for long end with their token, and when it is revoked: in each framework, and over gRPC and upgrades.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get, type IncomingMessage, request as httpRequest } from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { test } from 'node:test'
import { serve } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { systemClock } from '@quantum-ip/base'
import { createTestAuthority } from '@quantum-ip/testkit'
import { expressQuantumIp } from '../src/express.ts'
import { fastifyQuantumIp } from '../src/fastify.ts'
import { honoQuantumIp } from '../src/hono.ts'
import { createQuantumIp, type QuantumIp } from '../src/index.ts'
import { koaQuantumIp } from '../src/koa.ts'
import { verified, verifiedUpgrade } from '../src/node-http.ts'
import { verifiedFetch } from '../src/web.ts'
import { policyOf, portOf } from './support/scene.ts'

type Port = { readonly port: number } & AsyncDisposable

function listening(server: ReturnType<typeof createServer>): Port {
  return {
    port: portOf(server),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** An answer that never ends: `begun`, and then nothing. */
function endless(): Readable {
  const stream = new Readable({ read: () => undefined })
  stream.push('begun')
  return stream
}

function endlessBody(): ReadableStream {
  return new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode('begun')) })
}

const frameworks: Readonly<Record<string, (quantumIp: QuantumIp) => Promise<Port>>> = {
  'node:http': async (quantumIp) => {
    const server = createServer(verified(quantumIp, (_request, response) => void endless().pipe(response)))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return listening(server)
  },
  Express: async (quantumIp) => {
    const app = express()
    app.use(expressQuantumIp(quantumIp), (_request, response) => void endless().pipe(response))
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return listening(server)
  },
  Fastify: async (quantumIp) => {
    const app = fastify()
    await app.register(fastifyQuantumIp(quantumIp))
    app.get('/', (_request, reply) => reply.send(endless()))
    await app.listen({ port: 0, host: '127.0.0.1' })
    return listening(app.server)
  },
  Hono: async (quantumIp) => {
    const app = new Hono()
    app.use(honoQuantumIp(quantumIp))
    app.get('/', () => new Response(endlessBody()))
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as ReturnType<
      typeof createServer
    >
    if (!server.listening) await once(server, 'listening')
    return listening(server)
  },
  Koa: async (quantumIp) => {
    const app = new Koa()
    app.use(koaQuantumIp(quantumIp))
    app.use((context) => void (context.body = endless()))
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return listening(server)
  },
}

async function openCut(policy = {}) {
  const kit = await createTestAuthority({ clock: systemClock })
  const verifier = kit.verifier()
  const service = kit.service('service')
  const quantumIp = createQuantumIp({
    service,
    verifier,
    policy: policyOf(policy),
    cut: { trust: kit.trust, verifier, clockToleranceS: 0 },
  })
  return { kit, quantumIp, [Symbol.dispose]: () => quantumIp[Symbol.dispose]() }
}

async function begin(port: number, token: string): Promise<IncomingMessage> {
  const asked = get({ port, host: '127.0.0.1', agent: false, headers: { 'quantum-ip': token } })
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  assert.equal(answer.statusCode, 200)
  await once(answer, 'data')
  return answer
}

async function isGivenBack(quantumIp: QuantumIp): Promise<void> {
  for (let tries = 0; quantumIp.openCalls > 0 && tries < 200; tries++) await wait(5)
  assert.equal(quantumIp.openCalls, 0)
}

for (const [framework, open] of Object.entries(frameworks)) {
  test(`${framework}: an answer that goes on is cut when its caller is revoked, and no other one`, async () => {
    using scene = await openCut()
    const { kit, quantumIp } = scene
    await using server = await open(quantumIp)
    const bad = await begin(server.port, await kit.token())
    const good = await begin(server.port, await kit.token({ identity: kit.service('other') }))
    assert.equal(quantumIp.openCalls, 2)
    const cut = once(bad, 'error')
    await kit.revoke('identity', kit.service('caller'))
    assert.match(String(await cut), /aborted/)
    assert.equal(quantumIp.openCalls, 1)
    good.destroy()
    await isGivenBack(quantumIp)
  })
}

test('an answer that goes on ends with its token', async () => {
  using scene = await openCut()
  await using server = await (frameworks['node:http'] as (typeof frameworks)[string])(scene.quantumIp)
  const answer = await begin(server.port, await scene.kit.token({ ttlS: 2 }))
  assert.match(String(await once(answer, 'error')), /aborted/)
})

test('in monitor mode nothing is cut, as nothing is refused', async () => {
  using scene = await openCut({ mode: 'monitor' })
  await using server = await (frameworks['node:http'] as (typeof frameworks)[string])(scene.quantumIp)
  const answer = await begin(server.port, await scene.kit.token())
  await scene.kit.revoke('identity', scene.kit.service('caller'))
  assert.equal(scene.quantumIp.openCalls, 0)
  assert.equal(scene.quantumIp.recheckStreams(), 0)
  answer.destroy()
})

test('an upgraded connection is cut when its caller is revoked', async () => {
  using scene = await openCut()
  const server = createServer()
  server.on(
    'upgrade',
    verifiedUpgrade(scene.quantumIp, (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
    }),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  await using opened = listening(server)
  const headers = { connection: 'upgrade', upgrade: 'x', 'quantum-ip': await scene.kit.token() }
  const asked = httpRequest({ port: opened.port, host: '127.0.0.1', headers }).end()
  const [, socket] = await once(asked, 'upgrade')
  assert.equal(scene.quantumIp.openCalls, 1)
  const closed = once(socket, 'close')
  socket.resume()
  await scene.kit.revoke('identity', scene.kit.service('caller'))
  await closed
  assert.equal(scene.quantumIp.openCalls, 0)
})

test('the shape of `fetch`: a body that goes on is cut when its caller is revoked, and given back when nobody reads on', async () => {
  using scene = await openCut()
  const { kit, quantumIp } = scene
  const handler = verifiedFetch(quantumIp, () => new Response(endlessBody()))
  const ask = async (identity: string): Promise<ReadableStreamDefaultReader> => {
    const headers = { 'quantum-ip': await kit.token({ identity }) }
    const { body } = await handler(new Request('https://shop.example.test/', { headers }))
    const reader = (body as ReadableStream).getReader()
    assert.equal(Buffer.from((await reader.read()).value).toString(), 'begun')
    return reader
  }
  const [bad, good] = [await ask(kit.service('caller')), await ask(kit.service('other'))]
  const next = bad.read()
  await kit.revoke('identity', kit.service('caller'))
  await assert.rejects(next, { name: 'AbortError' })
  assert.equal(quantumIp.openCalls, 1)
  await good.cancel()
  assert.equal(quantumIp.openCalls, 0)
})
