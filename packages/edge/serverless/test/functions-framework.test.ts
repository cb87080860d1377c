import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Request, type Response, http } from '@google-cloud/functions-framework'
import { getTestServer } from '@google-cloud/functions-framework/testing'
import { createTestAuthority } from '@quantum-ip/testkit'
import { systemClock } from '@quantum-ip/base'
import { createServerlessPoint } from '../src/index.ts'
import { verifiedFunction } from '../src/functions-framework.ts'
import { caller, openDomain } from './support.ts'

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

test("the guide's function says hello to a caller with a token, and refuses one without", async (t) => {
  await using domain = await openDomain()
  const guide = readFileSync(new URL('../../../../docs/guides/serverless.md', import.meta.url), 'utf8')
  const [, code = ''] = /```ts function\.ts\n([\s\S]*?)```/.exec(guide) ?? []
  // Within the package, so that its dependencies are found.
  const folder = mkdtempSync(join(fileURLToPath(new URL('..', import.meta.url)), '.guide-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'function.ts'), code)
  Object.assign(process.env, {
    QIP_ROOTS: domain.trust.rootThumbprints.join(','),
    QIP_MIRROR: domain.mirror.url,
  })
  await import(pathToFileURL(join(folder, 'function.ts')).href)
  const server = getTestServer('shop').listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/`
  assert.equal((await fetch(url)).status, 401)
  const answer = await fetch(url, { headers: { 'quantum-ip': await domain.token() } })
  assert.equal(await answer.text(), `hello, ${caller}`)
})
