import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { test } from 'node:test'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { honoQuantumIp } from '../src/hono.ts'
import { createQuantumIp, type QuantumIp } from '../src/index.ts'
import { createTestAuthority } from '@quantum-ip/testkit'
import { runCases } from './support/cases.ts'
import { portOf } from './support/scene.ts'
import { seenBy } from './support/seen.ts'

function appOf(quantumIp: QuantumIp): Hono {
  const app = new Hono()
  app.use(honoQuantumIp(quantumIp))
  app.all('/cart', async (context) => {
    const headers = context.req.header()
    return context.json(seenBy(context.var.quantumIp, headers, await context.req.text()))
  })
  return app
}

runCases('Hono', async (quantumIp) => {
  const server = serve({ fetch: appOf(quantumIp).fetch, port: 0, hostname: '127.0.0.1' }) as Server
  await once(server, 'listening')
  return {
    port: portOf(server),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
})

test('Hono: verifies, and takes off what was spoofed, where there is only a Web Request', async () => {
  const kit = await createTestAuthority()
  const app = appOf(
    createQuantumIp({ service: kit.service('service'), verifier: kit.verifier(), clock: kit.clock }),
  )
  const token = await kit.token()
  const send = (headers: Record<string, string>) => app.request('https://shop.example.test/cart', { headers })
  const answer = await send({
    'quantum-ip': token,
    'quantum-ip-status': 'verified, spoofed',
    'x-own': 'kept',
  })
  const seen = (await answer.json()) as { identity: string; headers: Record<string, string> }
  assert.equal(seen.identity, kit.service('caller'))
  assert.equal(seen.headers['x-own'], 'kept')
  assert.equal(seen.headers['quantum-ip'], undefined)
  assert.ok(!JSON.stringify(seen).includes('spoofed'))
  assert.equal((await send({ 'quantum-ip': `${token}, ${token}` })).status, 401)
})
