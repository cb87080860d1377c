import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import fastify from 'fastify'
import { fastifyQuantumIp } from '../src/fastify.ts'
import type { QuantumIp } from '../src/index.ts'
import { runCases } from './support/cases.ts'
import { ask, openScene, portOf, type TestServer } from './support/scene.ts'
import { seenBy } from './support/seen.ts'

async function open(quantumIp: QuantumIp): Promise<TestServer> {
  const app = fastify()
  await app.register(fastifyQuantumIp(quantumIp))
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  app.route({
    method: ['GET', 'POST'],
    url: '/cart',
    handler: async (request) => {
      const body = request.method === 'POST' ? await text(request.raw) : ''
      return seenBy(request.quantumIp, request.headers, body)
    },
  })
  app.get('/healthz', { config: { quantumIp: 'exempt' } }, async () => 'well')
  await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    port: portOf(app.server),
    async [Symbol.asyncDispose]() {
      app.server.closeAllConnections()
      await app.close()
    },
  }
}

runCases('Fastify', open)

test('Fastify: a route that says so is exempt, and nothing else is', async () => {
  await using scene = await openScene(open)
  const healthz = await fetch(`http://127.0.0.1:${scene.port}/healthz`)
  assert.equal(await healthz.text(), 'well')
  assert.equal((await ask(scene.port)).status, 401)
  assert.equal((await fetch(`http://127.0.0.1:${scene.port}/nowhere`)).status, 401)
})
