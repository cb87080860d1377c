// The code of docs/guides/node.md, each piece as a program of its own, against a real authority.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { openTransport, requestObject } from '@quantum-ip/client'
import { pinsOf } from '@quantum-ip/trust'
import { running, type Running } from '../../../platform/authority/test/mirror-support.ts'
import { issue, shop, td } from '../../../platform/authority/test/support.ts'
import { portOf } from './support/scene.ts'

const guide = fileURLToPath(new URL('../../../../docs/guides/node.md', import.meta.url))
const packageFolder = fileURLToPath(new URL('..', import.meta.url))
const caller = `${td}/ns/prod/sa/checkout`

let folder = ''
let of: Running
const children = new Set<ChildProcess>()

before(async () => {
  of = await running()
  // Within the package, so that its dependencies are found.
  folder = mkdtempSync(join(packageFolder, '.guide-'))
  for (const [, name = '', code = ''] of readFileSync(guide, 'utf8').matchAll(
    /```ts (\S+)\n([\s\S]*?)```/g,
  )) {
    writeFileSync(join(folder, name), code)
  }
})

after(async () => {
  for (const child of children) child.kill('SIGKILL')
  await of[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

async function joinToken(sid: string, role: 'verifier' | 'workload'): Promise<string> {
  await using admin = openTransport({ url: `unix:${of.socket}` })
  const request = { operation: 'a join token', method: 'POST', target: '/v1/join-tokens' } as const
  return (await requestObject(admin, { ...request, json: { sid, role } })).text('token')
}

async function start(name: string, env: Readonly<Record<string, string>> = {}): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--conditions=quantum-ip-source', join(folder, name)], {
    env: {
      ...process.env,
      HOSTNAME: 'shop-1',
      QIP_AUTHORITY: of.url,
      QIP_ROOTS: pinsOf(of.authority.root).thumbprints.join(','),
      STATE_DIRECTORY: join(of.folder, name),
      QIP_JOIN_TOKEN: await joinToken(shop, 'verifier'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  return child
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  return port
}

async function tokenOfCaller(): Promise<string> {
  const { tokens } = await issue(of.authority, { audience: shop })
  return tokens[0] as string
}

async function answered<Value>(ask: () => Promise<Value>): Promise<Value> {
  for (let tries = 0; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      if (tries > 400) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

for (const name of ['node-http', 'express', 'fastify', 'hono', 'koa', 'web']) {
  test(`the guide's ${name}.ts says hello to a caller with a token, and refuses one without`, async () => {
    const port = await freePort()
    const child = await start(`${name}.ts`, { PORT: String(port) })
    const ask = (headers: Record<string, string>) => fetch(`http://127.0.0.1:${port}/`, { headers })
    assert.equal((await answered(() => ask({}))).status, 401)
    const answer = await ask({ 'quantum-ip': await tokenOfCaller() })
    assert.equal(await answer.text(), `hello, ${caller}`)
    if (name === 'express' || name === 'fastify') {
      assert.equal(await (await fetch(`http://127.0.0.1:${port}/healthz`)).text(), 'well')
    }
    child.kill('SIGKILL')
  })
}

test("the guide's grpc.ts says hello to a caller with a token, and refuses one without", async () => {
  const port = await freePort()
  const child = await start('grpc.ts', { PORT: String(port) })
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + 20_000, (error) => (error === undefined ? resolve() : reject(error)))
  })
  const hello = (metadata: Metadata): Promise<string | undefined> =>
    new Promise((resolve, reject) => {
      const [write, read] = [(value: string) => Buffer.from(value), (value: Buffer) => value.toString()]
      client.makeUnaryRequest('/shop.Shop/Hello', write, read, 'x', metadata, (error, value) =>
        error === null ? resolve(value) : reject(error),
      )
    })
  await assert.rejects(hello(new Metadata()), { code: 16 })
  const metadata = new Metadata()
  metadata.set('quantum-ip', await tokenOfCaller())
  assert.equal(await hello(metadata), `hello, ${caller}`)
  client.close()
  child.kill('SIGKILL')
})

for (const name of ['call', 'call-undici'])
  test(`the guide's ${name}.ts is greeted by the guide's node-http.ts`, async () => {
    const port = await freePort()
    const child = await start('node-http.ts', { PORT: String(port) })
    const origin = `http://127.0.0.1:${port}`
    await answered(() => fetch(origin))
    const env = { SHOP: origin, QIP_JOIN_TOKEN: await joinToken(caller, 'workload') }
    const calling = await start(`${name}.ts`, env)
    assert.equal(await text(calling.stdout as Readable), `hello, ${caller}`)
    child.kill('SIGKILL')
  })

test("the guide's unit-test.ts passes", async () => {
  const [code] = await once(await start('unit-test.ts'), 'exit')
  assert.equal(code, 0)
})
