import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Component } from '../../../../../scripts/real-components.ts'
import type { CasePoint } from './case-reasons.ts'
import { CaseWorld } from './case-world.ts'
import type { OpenGuideProxy } from './guide-proxies.ts'
import { ask } from './scene.ts'

/** Forward authentication as a process, with a token that it takes. */
export interface ForwardProcess extends AsyncDisposable {
  readonly child: ChildProcess
  readonly port: number
  readonly token: string
}

const entry = new URL('./forward-process.ts', import.meta.url)

/** Starts one; each of them takes the token of the other. */
export async function openForwardProcess(): Promise<ForwardProcess> {
  const child = spawn(process.execPath, [fileURLToPath(entry)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const { port, token } = JSON.parse(line) as { port: number; token: string }
  return {
    child,
    port,
    token,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** What may answer in the place of the endpoint: none of it is an answer of ours. */
const strangers: { readonly [title: string]: RequestListener } = {
  'answers 500': (_request, response) => response.writeHead(500).end('broken'),
  'answers 503 and asks to come again': (_request, response) =>
    response.writeHead(503, { 'retry-after': '1' }).end(),
  'answers 204 to everything': (_request, response) => response.writeHead(204).end(),
  'answers 200 to everything, as a page that somebody else serves there': (_request, response) =>
    response.end('<h1>It works!</h1>'),
  'answers with an action that is none': (_request, response) =>
    response.writeHead(200, { 'quantum-ip-action': 'maybe', 'quantum-ip-status': 'status=verified' }).end(),
  'sends elsewhere': (_request, response) => response.writeHead(302, { location: '/' }).end(),
  'breaks off': (request) => request.socket.destroy(),
  'answers nothing that is HTTP': (request) => request.socket.end('nonsense\r\n\r\n'),
}

/** Later than any proxy waits that is told how long. */
const slowMs = 4_000
const slow: RequestListener = (_request, response) => {
  setTimeout(() => response.writeHead(200, { 'quantum-ip-action': 'allow' }).end(), slowMs).unref()
}

async function withStranger(
  port: number,
  listener: RequestListener,
  run: () => Promise<void>,
): Promise<void> {
  const server = createServer(listener).listen(port, '127.0.0.1')
  await once(server, 'listening')
  try {
    await run()
  } finally {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
}

// Traefik waits for 30 s, whatever it is told.
const answeredWithinMs = 45_000

/** How a proxy fails. */
export interface FailureOptions {
  /** Why it waits longer for a slow answer than the test does. */
  readonly patient?: string
}

/** Holds a proxy with the configuration of its guide to letting nothing through while what it asks is gone, hung, wrong or slow. */
export function runForwardFailures(
  title: string,
  proxy: Component,
  open: OpenGuideProxy,
  { patient }: FailureOptions = {},
): void {
  void test(title, { skip: proxy.skip }, async (suite) => {
    await using world = await CaseWorld.open()
    await using endpoint = await openForwardProcess()
    await using point = await open(proxy, world, endpoint.port)
    const scene: FailureScene = { world, endpoint, point }
    await suite.test('passes while all is well', () => passes(scene))
    await suite.test('closes while it hangs, and opens again', () => hangs(scene, patient !== undefined))
    await suite.test('closes when it is killed', async () => {
      const ended = once(endpoint.child, 'exit')
      endpoint.child.kill('SIGKILL')
      await ended
      await closes(scene)
    })
    await suite.test('closes where something else answers in its place', (t) => refusesStrangers(t, scene))
    await suite.test('closes where the answer takes too long', { skip: patient ?? false }, () =>
      withStranger(endpoint.port, slow, () => closes(scene)),
    )
  })
}

interface FailureScene {
  readonly world: CaseWorld
  readonly endpoint: ForwardProcess
  readonly point: CasePoint
}

async function passes({ world, point, endpoint }: FailureScene): Promise<void> {
  const before = world.asked
  const asked = await ask(point.port, { token: endpoint.token })
  assert.deepEqual([asked.status, world.asked - before], [200, 1], asked.body)
}

// What a caller would write to be let through by a proxy that heard nothing.
const forged = ['Quantum-IP-Action', 'allow', 'Quantum-IP-Status', 'status=verified, reason=ok, action=allow']

/** What a proxy answers is its own affair, as long as it does and nothing goes on. */
async function closes(
  { world, point, endpoint }: FailureScene,
  paths: readonly string[] = ['/cart', '/shop.Cart/Add'],
): Promise<void> {
  const before = world.asked
  for (const path of paths) {
    const signal = AbortSignal.timeout(answeredWithinMs)
    await ask(point.port, { token: endpoint.token, path, fields: forged, signal }).catch(() => {
      assert.ok(!signal.aborted, 'it answers, or breaks off')
    })
  }
  assert.equal(world.asked, before, 'nothing reached a service')
}

async function hangs(scene: FailureScene, isPatient: boolean): Promise<void> {
  scene.endpoint.child.kill('SIGSTOP')
  try {
    await closes(scene, isPatient ? ['/cart'] : undefined)
  } finally {
    scene.endpoint.child.kill('SIGCONT')
  }
  // What was asked while it hung may be answered first.
  for (let i = 0; ; i++) {
    try {
      await passes(scene)
      return
    } catch (error) {
      if (i === 20) throw error
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

async function refusesStrangers(suite: TestContext, scene: FailureScene): Promise<void> {
  for (const [title, listener] of Object.entries(strangers)) {
    await suite.test(title, () => withStranger(scene.endpoint.port, listener, () => closes(scene)))
  }
}
