import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { until } from './fleet.ts'
import { qip } from './qip.ts'

// An authority and sidecars of services, each a process of its own.

const launcher = path.resolve(import.meta.dirname, '../../bin/qip.js')
const domain = 'spiffe://acme.example'

/** A running mesh. */
export interface Mesh extends AsyncDisposable {
  readonly folder: string
  sid(name: string): string
  /** Runs a command against the authority. */
  qip(...args: readonly string[]): ReturnType<typeof qip>
  /** As `kill -9` does. */
  killAuthority(): Promise<void>
  openSidecar(name: string, settings?: SidecarSettings): Promise<TestSidecar>
}

/** What a sidecar has besides its service. */
export interface SidecarSettings {
  /** Further members of `sidecar`, each in flow style. */
  readonly yaml?: string | readonly string[]
  /** Artifacts of which the service was admitted. */
  readonly build?: string
}

/** A running sidecar. */
export interface TestSidecar {
  /** Where callers reach it. */
  readonly url: string
  /** Where its service calls others; empty where it calls none. */
  readonly outbound: string
  readonly socket: string
  /** Runs a command beside it. */
  qip(...args: readonly string[]): ReturnType<typeof qip>
  workload(
    method: string,
    target: string,
    body?: object,
    more?: { headers?: object },
  ): Promise<WorkloadAnswer>
  untilReady(): Promise<void>
  /** Ends it by SIGTERM, and returns its exit code. */
  end(): Promise<number | null>
}

/** An answer of the workload API. */
export interface WorkloadAnswer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

/** Starts an authority; everything ends with the mesh. */
export async function openMesh(yaml = ''): Promise<Mesh> {
  const stack = new AsyncDisposableStack()
  const folder = await mkdtemp(path.join(tmpdir(), 'qip-mesh-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const home = path.join(folder, 'authority')
  const rules = `admission: { requireAttestation: off, rules: [{ service: ${domain}/*, builder: '**' }] }\n`
  await writeConfig(home, `authority: { listen: 127.0.0.1:0 }\n${rules}${yaml}`)
  const authority = await start(stack, home, ['serve', '--role', 'authority'])
  const authorityUrl = authority.said['url'] as string
  const found = (await (await fetch(`${authorityUrl}/.well-known/quantum-ip`)).json()) as {
    rootThumbprints: readonly string[]
  }
  const run = (...args: readonly string[]) => qip(args, { cwd: home })
  const trusted = `authority: { url: ${authorityUrl} }\ntrust: { rootThumbprints: [${found.rootThumbprints.join(', ')}] }\n`
  return {
    folder,
    sid,
    qip: run,
    async killAuthority() {
      const ended = once(authority.child, 'exit')
      authority.child.kill('SIGKILL')
      await ended
    },
    openSidecar: (name, settings = {}) => openSidecar(stack, { folder, name, settings, trusted, run }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

function sid(name: string): string {
  return `${domain}/${name}`
}

interface SidecarStart {
  readonly folder: string
  readonly name: string
  readonly settings: SidecarSettings
  readonly trusted: string
  readonly run: Mesh['qip']
}

async function openSidecar(stack: AsyncDisposableStack, given: SidecarStart): Promise<TestSidecar> {
  const { name, settings, trusted, run } = given
  const home = path.join(given.folder, name)
  const members = [
    `name: ${name}-sidecar`,
    `service: ${sid(name)}`,
    'listen: 127.0.0.1:0',
    settings.yaml ?? [],
  ].flat()
  const overload = 'gateway: { overload: { delayTarget: 10s } }\n'
  await writeConfig(home, `${trusted}${overload}sidecar:\n${members.map((line) => `  ${line}\n`).join('')}`)
  const builds = settings.build === undefined ? [] : ['--build', settings.build]
  for (const args of [
    [sid(name), '--out', path.join(home, 'join'), ...builds],
    [sid(`${name}-sidecar`), '--role', 'verifier', '--out', path.join(home, 'join-verifier')],
  ]) {
    const made = await run('join-token', ...args)
    assert.equal(made.code, 0, made.stderr)
  }
  const tokens = ['--join-token-file', 'join', '--verifier-token-file', 'join-verifier']
  const { child, said } = await start(stack, home, ['sidecar', ...tokens])
  const socket = said['workloadSocket'] as string
  const workload: TestSidecar['workload'] = (method, target, body, more) =>
    ask(socket, { method, target, body, ...more })
  return {
    url: (said['url'] ?? '') as string,
    outbound: (said['outbound'] ?? '') as string,
    socket,
    qip: (...args) => qip(args, { cwd: home }),
    workload,
    untilReady: () =>
      until('the sidecar is ready', async () => (await workload('GET', '/readyz')).status === 200),
    async end() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const [code] = (await ended) as [number | null]
      return code
    },
  }
}

async function ask(
  socketPath: string,
  {
    method,
    target,
    body,
    headers = { 'quantum-ip-workload': 'true' },
  }: { method: string; target: string; body?: object | undefined; headers?: object },
): Promise<WorkloadAnswer> {
  const json = body === undefined ? {} : { 'content-type': 'application/json' }
  const sent = request({
    socketPath,
    method,
    path: target,
    headers: { host: 'localhost', ...json, ...headers },
  })
  sent.end(body === undefined ? undefined : JSON.stringify(body))
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const part of response.setEncoding('utf8')) text += part
  return { status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> }
}

async function writeConfig(folder: string, yaml: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(path.join(folder, 'quantum-ip.yaml'), `trustDomain: ${domain}\n${yaml}`)
}

interface Started {
  readonly child: ChildProcess
  readonly said: Readonly<Record<string, unknown>>
}

async function start(stack: AsyncDisposableStack, cwd: string, args: readonly string[]): Promise<Started> {
  const child = spawn(process.execPath, [launcher, ...args, '--json'], {
    cwd,
    stdio: ['ignore', 'pipe', process.env['QIP_TEST_VERBOSE'] === '1' ? 'inherit' : 'ignore'],
  })
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  })
  const ended = once(child, 'exit').then(([code]) =>
    assert.fail(`qip ${args.join(' ')} ended with ${String(code)}`),
  )
  ended.catch(() => undefined)
  const lines = createInterface({ input: child.stdout })
  const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string]
  return { child, said: JSON.parse(line) as Record<string, unknown> }
}

/** A service as applications are: answers by what it is given. */
export interface TestApplication {
  readonly url: string
  /** The fields of each request that it got. */
  readonly got: IncomingHttpHeaders[]
}

/** Opens one; everything that it does is `act`. */
export async function openApplication(
  stack: AsyncDisposableStack,
  act: (got: IncomingHttpHeaders) => Promise<string> | string,
): Promise<TestApplication> {
  const got: IncomingHttpHeaders[] = []
  const server = createServer((request, response) => {
    got.push(request.headers)
    request.resume()
    Promise.resolve(act(request.headers)).then(
      (text) => response.end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, got }
}

/** Calls `host` through the outbound listener of a sidecar, as an application without a line of code for it does. */
export async function callThrough(
  outbound: string,
  host: string,
  fields: OutgoingHttpHeaders = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const { port } = new URL(outbound)
  const sent = request({
    host: '127.0.0.1',
    port,
    path: '/hello',
    headers: { host, ...fields },
    agent: false,
  })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const part of response.setEncoding('utf8')) text += part
  return { status: response.statusCode ?? 0, text }
}
