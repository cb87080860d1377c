// Tokens that are bound to a request with its body: the body is read ahead, checked, and left for the handler.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { serve } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { requestBinding } from '@quantum-ip/token'
import { expressQuantumIp } from '../src/express.ts'
import { fastifyQuantumIp } from '../src/fastify.ts'
import { honoQuantumIp } from '../src/hono.ts'
import { koaQuantumIp } from '../src/koa.ts'
import { verified } from '../src/node-http.ts'
import { verifiedFetch } from '../src/web.ts'
import { type OpenServer, openScene, portOf, type Scene, type TestServer } from './support/scene.ts'

async function listening(server: ReturnType<typeof createServer>): Promise<TestServer> {
  if (!server.listening) await once(server, 'listening')
  return {
    port: portOf(server),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const echo = (body: unknown): string => JSON.stringify({ body })

/** Each with the body parser that its applications use. */
const frameworks: Readonly<Record<string, OpenServer>> = {
  'node:http, read as a stream': (quantumIp) => {
    const handler = verified(quantumIp, async (request, response) => response.end(echo(await text(request))))
    return listening(createServer(handler).listen(0, '127.0.0.1'))
  },
  'node:http, read with events': (quantumIp) => {
    const handler = verified(quantumIp, (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => response.end(echo(Buffer.concat(chunks).toString())))
    })
    return listening(createServer(handler).listen(0, '127.0.0.1'))
  },
  'Express with express.text': (quantumIp) => {
    const app = express()
    app.use(expressQuantumIp(quantumIp), express.text({ type: '*/*', limit: '1mb' }))
    app.post('/cart', (request, response) => void response.send(echo(request.body)))
    return listening(app.listen(0, '127.0.0.1'))
  },
  Fastify: async (quantumIp) => {
    const app = fastify()
    await app.register(fastifyQuantumIp(quantumIp))
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, payload, done) => done(null, payload))
    app.post('/cart', async (request) => echo(request.body))
    await app.listen({ port: 0, host: '127.0.0.1' })
    return listening(app.server)
  },
  Koa: (quantumIp) => {
    const app = new Koa()
    app.use(koaQuantumIp(quantumIp))
    app.use(async (context) => void (context.body = echo(await text(context.req))))
    return listening(app.listen(0, '127.0.0.1'))
  },
  'Hono on Node': (quantumIp) => {
    const app = new Hono()
    app.use(honoQuantumIp(quantumIp))
    app.post('/cart', async (context) => context.body(echo(await context.req.text())))
    return listening(
      serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as ReturnType<typeof createServer>,
    )
  },
}

const order = '{"order":17}'

async function bound({ kit }: Scene, body: string | undefined): Promise<string> {
  const contentDigest = body === undefined ? undefined : createHash('sha256').update(body).digest()
  const at = { method: 'POST', authority: 'shop.example.test', target: '/cart?x=1', contentDigest }
  return kit.token({ requestBinding: requestBinding(at) })
}

for (const [framework, open] of Object.entries(frameworks)) {
  test(`${framework}: a token that is bound to the body passes with that body, which the handler reads whole`, async () => {
    await using scene = await openScene(open)
    for (const sent of [order, [Buffer.from(order.slice(0, 5)), Buffer.from(order.slice(5))]]) {
      const answer = await scene.ask(
        ['Content-Type', 'text/plain', 'Quantum-IP', await bound(scene, order)],
        sent,
      )
      assert.equal(answer.status, 200, answer.text)
      assert.equal(answer.json['body'], order)
    }
    // The same length.
    const other = await scene.ask(
      ['Content-Type', 'text/plain', 'Quantum-IP', await bound(scene, order)],
      '{"order":18}',
    )
    assert.equal(other.status, 401)
    assert.equal(scene.records.at(-1)?.reason, 'binding_mismatch')
  })

  test(`${framework}: a body over the limit is not held: bound to it nothing passes, and what is bound without it arrives whole`, async () => {
    await using scene = await openScene(open, { bodyBytesHeld: 50_000 })
    const long = 'x'.repeat(200_000)
    for (const sent of [
      long,
      [Buffer.from(long)],
      [...long.match(/.{1,9999}/g)!].map((part) => Buffer.from(part)),
    ]) {
      const refused = await scene.ask(
        ['Content-Type', 'text/plain', 'Quantum-IP', await bound(scene, long)],
        sent,
      )
      assert.equal(refused.status, 401)
      const answer = await scene.ask(
        ['Content-Type', 'text/plain', 'Quantum-IP', await bound(scene, undefined)],
        sent,
      )
      assert.equal(answer.status, 200, answer.text)
      assert.equal(answer.json['body'], long)
    }
  })

  test(`${framework}: a body without content, sent in parts, ends for the handler`, async () => {
    await using scene = await openScene(open)
    const answer = await scene.ask(
      ['Content-Type', 'text/plain', 'Quantum-IP', await bound(scene, '')],
      [Buffer.from('')],
    )
    assert.equal(answer.status, 200, answer.text)
  })
}

test('the shape of `fetch`: a token that is bound to the body passes with that body, and over the limit nothing is held', async () => {
  let ask: ((token: string, body: string) => Promise<string>) | undefined
  const open: OpenServer = async (quantumIp) => {
    const handler = verifiedFetch(quantumIp, async (request) => new Response(await request.text()))
    ask = async (token, body) => {
      const url = 'http://shop.example.test/cart?x=1'
      const answer = await handler(
        new Request(url, { method: 'POST', headers: { 'quantum-ip': token }, body }),
      )
      return answer.status === 200 ? answer.text() : String(answer.status)
    }
    return { port: 0, [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  await using scene = await openScene(open, { bodyBytesHeld: 100 })
  const long = 'x'.repeat(1_000)
  assert.equal(await ask?.(await bound(scene, order), order), order)
  assert.equal(await ask?.(await bound(scene, order), '{"order":18}'), '401')
  assert.equal(await ask?.(await bound(scene, long), long), '401')
  assert.equal(await ask?.(await bound(scene, undefined), long), long)
})
