// Policies and routers must read the same path: what has two readings is refused, as at the gateway.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import { test } from 'node:test'
import express from 'express'
import { expressQuantumIp } from '../src/express.ts'
import { verified } from '../src/node-http.ts'
import { type OpenServer, openScene, policyOf, portOf } from './support/scene.ts'

const adminClosed = policyOf({
  rules: [{ name: 'admin-closed', when: "request.path == '/admin'", action: 'reject' }],
})

const serverOf = async (server: ReturnType<typeof createServer>) => {
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

const frameworks: Readonly<Record<string, OpenServer>> = {
  'node:http': (quantumIp) =>
    serverOf(
      createServer(verified(quantumIp, (request, response) => void response.end(request.url))).listen(
        0,
        '127.0.0.1',
      ),
    ),
  Express: (quantumIp) => {
    const app = express()
    app.use(expressQuantumIp(quantumIp))
    app.get('/admin', (_request, response) => void response.send('the admin page'))
    app.use((request, response) => void response.send(request.originalUrl))
    return serverOf(app.listen(0, '127.0.0.1'))
  },
}

async function statusOf(
  port: number,
  path: string,
  token: string,
): Promise<{ status: number; text: string }> {
  const headers = ['Host', 'shop.example.test', 'Quantum-IP', token]
  const request = httpRequest({ port, host: '127.0.0.1', agent: false, path, headers })
  const answered = once(request, 'response')
  request.end()
  const [response] = await answered
  return { status: response.statusCode, text: (await response.setEncoding('utf8').toArray()).join('') }
}

for (const [name, open] of Object.entries(frameworks)) {
  test(`${name}: a rule about a path holds in every spelling of it`, async () => {
    await using scene = await openScene(open, { policy: adminClosed })
    const token = await scene.kit.token()
    for (const path of ['/admin', '/%61dmin', '/adm%69n?x', 'http://shop.example.test/admin']) {
      assert.equal((await statusOf(scene.port, path, token)).status, 403, path)
    }
  })

  test(`${name}: a path with two readings is refused, and no handler hears of it`, async () => {
    await using scene = await openScene(open, { policy: adminClosed })
    const token = await scene.kit.token()
    for (const path of ['/x/../admin', '/x%2f..%2fadmin', '//admin', '/%2561dmin/%252e', '/%e0%80%af']) {
      const { status, text } = await statusOf(scene.port, path, token)
      assert.equal(status, 400, path)
      assert.equal(JSON.parse(text).code, 'path_ambiguous', path)
    }
  })

  test(`${name}: other paths reach handlers as they were sent`, async () => {
    await using scene = await openScene(open, { policy: adminClosed })
    const token = await scene.kit.token()
    for (const path of ['/', '/a%20b', '/%7Eme?next=%2F', '/caf%C3%A9/']) {
      assert.deepEqual(await statusOf(scene.port, path, token), { status: 200, text: path })
    }
  })

  test(`${name}: with exactPaths, policies see what was sent`, async () => {
    await using scene = await openScene(open, { policy: adminClosed, exactPaths: true })
    const token = await scene.kit.token()
    assert.equal((await statusOf(scene.port, '/a%2Fb', token)).status, 200)
    assert.equal((await statusOf(scene.port, '/admin', token)).status, 403)
  })
}
