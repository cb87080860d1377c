import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { type Request, type Response, http } from '@google-cloud/functions-framework'
import { getTestServer } from '@google-cloud/functions-framework/testing'
import { createTestAuthority } from '@quantum-ip/testkit'
import { systemClock } from '@quantum-ip/base'
import { createServerlessPoint } from '../src/index.ts'
import { verifiedFunction } from '../src/functions-framework.ts'

// The framework's own server, in this process.
async function open(name: string) {
  const kit = await createTestAuthority({ clock: systemClock })
  const point = createServerlessPoint({ service: kit.service('shop'), verifier: kit.verifier() })
  const loads: string[] = []
  const guarded = verifiedFunction<Request, Response>(point, {
    load: async () => {
      loads.push(name)
      return {
        hello: (request: Request, response: Response) => {
          const { quantumIp } = request as Request & { readonly quantumIp: { identity: string } }
          response.json({ identity: quantumIp.identity, headers: request.headers, body: request.body })
        },
      }
    },
    name: 'hello',
  })
  http(name, guarded)
  const server = getTestServer(name).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return {
    kit,
    loads,
    ask: (headers: Record<string, string>, body?: string) =>
      fetch(`http://127.0.0.1:${port}/cart?x=1`, {
        headers,
        ...(body !== undefined && { body, method: 'POST' }),
      }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test('an HTTP function sees who calls, and what the point found in place of what the caller wrote', async () => {
  await using scene = await open('sees')
  const { kit } = scene
  const token = await kit.token({ identity: kit.service('web'), audience: kit.service('shop') })
  const forged = 'status=verified, sub="spiffe://example.test/admin"'
  const fields = { 'quantum-ip': token, 'quantum-ip-status': forged, 'content-type': 'application/json' }
  const answer = await scene.ask(fields, '{"item":7}')
  assert.equal(answer.status, 200)
  const seen = (await answer.json()) as { identity: string; headers: Record<string, string>; body: unknown }
  assert.equal(seen.identity, kit.service('web'))
  assert.match(seen.headers['quantum-ip-status'] ?? '', /sub="spiffe:\/\/example\.test\/web"/)
  assert.equal(seen.headers['quantum-ip'], undefined)
  assert.deepEqual(seen.body, { item: 7 })
})

test('a refused request loads nothing of the application', async () => {
  await using scene = await open('refuses')
  const answer = await scene.ask({})
  assert.equal(answer.status, 401)
  assert.equal(((await answer.json()) as { code: string }).code, 'token_refused')
  assert.match(answer.headers.get('www-authenticate') ?? '', /^Quantum-IP/)
  assert.deepEqual(scene.loads, [])
})
