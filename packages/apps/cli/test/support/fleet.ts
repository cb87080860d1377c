import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { isQipError } from '@quantum-ip/base'
import { hex, u32be } from '@quantum-ip/base'
import { admit, openSession, openTransport, requestTokens } from '@quantum-ip/client'
import { parseMerkleToken } from '@quantum-ip/token'
import { openPartition, type Partition } from './partition.ts'
import { qip } from './qip.ts'

// An authority and its gateways as processes of their own, a network between them that can be cut, and a client that calls through
// the gateways all the time.

const launcher = path.resolve(import.meta.dirname, '../../bin/qip.js')
const domain = 'spiffe://acme.example/ns/prod/sa'

/** A running fleet. */
export interface TestFleet {
  /** Runs a command against the authority. */
  qip(...args: readonly string[]): ReturnType<typeof qip>
  readonly edges: readonly Edge[]
  readonly authorityUrl: string
}

/** A gateway, and its way to the authority. */
export interface Edge {
  readonly name: string
  readonly url: string
  readonly network: Partition
  /** Ends the gateway and starts it again on what it has on disk. Its address is another one then. */
  restart(): Promise<void>
}

/** What gateways of a fleet have besides. */
export interface EdgeSettings {
  /** Further sections of the configuration. */
  readonly yaml?: string
  /** Further members of its one route. */
  readonly route?: string
  readonly threads?: number
}

/** Starts an authority and gateways of these names in `folder`, which shed nothing on a busy machine. All ends with `stack`. */
export async function openFleet(
  stack: AsyncDisposableStack,
  {
    folder,
    names,
    yaml = '',
    edge = {},
  }: {
    readonly folder: string
    readonly names: readonly string[]
    readonly yaml?: string
    readonly edge?: EdgeSettings
  },
): Promise<TestFleet> {
  const upstream = await openUpstream(stack)
  const home = path.join(folder, 'authority')
  await writeConfig(home, `authority: { listen: 127.0.0.1:0 }\n${rules}${yaml}`)
  const { url: authorityUrl } = await serve(stack, home, ['--role', 'authority'])
  const run = (...args: readonly string[]) => qip(args, { cwd: home })
  const edges: Edge[] = []
  for (const name of names) {
    const network = stack.use(await openPartition(authorityUrl))
    const start = { folder: path.join(folder, name), name, upstream, network, run, settings: edge }
    edges.push(await openEdge(stack, start))
  }
  return { qip: run, edges, authorityUrl }
}

const rules = `admission: { requireAttestation: off, rules: [{ service: ${domain}/*, builder: '**' }] }\n`

async function writeConfig(folder: string, yaml: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(path.join(folder, 'quantum-ip.yaml'), `trustDomain: spiffe://acme.example\n${yaml}`)
}

interface EdgeStart {
  readonly folder: string
  readonly name: string
  readonly upstream: string
  readonly network: Partition
  readonly run: TestFleet['qip']
  readonly settings: EdgeSettings
}

async function openEdge(
  stack: AsyncDisposableStack,
  { folder, name, upstream, network, run, settings }: EdgeStart,
): Promise<Edge> {
  const found = (await (await fetch(`${network.url}/.well-known/quantum-ip`)).json()) as {
    rootThumbprints: readonly string[]
  }
  const join = path.join(folder, 'join')
  await writeConfig(
    folder,
    `authority: { url: ${network.url} }
trust: { rootThumbprints: [${found.rootThumbprints.join(', ')}] }
services: [{ id: ${domain}/shop }]
gateway:
  name: ${name}
  listen: 127.0.0.1:0
  threads: ${settings.threads ?? 1}
  overload: { delayTarget: 10s }
  routes: [{ service: ${domain}/shop, upstream: '${upstream}'${settings.route ?? ''} }]
${settings.yaml ?? ''}`,
  )
  const made = await run('join-token', `${domain}/${name}`, '--role', 'verifier', '--out', join)
  assert.equal(made.code, 0, made.stderr)
  let running = await serve(stack, folder, ['--role', 'gateway', '--join-token-file', join])
  return {
    name,
    network,
    get url() {
      return running.url
    },
    async restart() {
      await running.end()
      running = await serve(stack, folder, ['--role', 'gateway'])
    },
  }
}

interface Running {
  readonly url: string
  end(): Promise<void>
}

async function serve(stack: AsyncDisposableStack, cwd: string, args: readonly string[]): Promise<Running> {
  const child = spawn(process.execPath, [launcher, 'serve', ...args, '--json'], {
    cwd,
    stdio: ['ignore', 'pipe', process.env['QIP_TEST_VERBOSE'] === '1' ? 'inherit' : 'ignore'],
  })
  stack.defer(() => end(child))
  let isWanted = true
  const ended = once(child, 'exit').then(([code]) => {
    if (isWanted) assert.fail(`qip serve ${args.join(' ')} ended with ${code}`)
  })
  const lines = createInterface({ input: child.stdout })
  const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string]
  ended.catch(() => undefined)
  const { url } = JSON.parse(line) as { url: string }
  return {
    url,
    end() {
      isWanted = false
      return end(child)
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

async function openUpstream(stack: AsyncDisposableStack): Promise<string> {
  const server = createServer((_request, response) => response.end('ok'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A client that draws tokens and calls through every gateway, until it is stopped. */
export interface Caller {
  /** Requests that were answered with 200. */
  accepted: number
  /** Answers that were something else. */
  readonly rejected: string[]
  /** The key IDs of the tokens that it used. */
  readonly keyIds: Set<string>
  stop(): Promise<void>
}

/** A workload of the fleet's domain that draws tokens. */
export interface Client {
  /** A new token for the service behind the gateways, as header fields. */
  headers(order?: { readonly oneTime?: boolean }): Promise<Record<string, string>>
}

/** Admits a workload under this name. */
export async function openClient(
  stack: AsyncDisposableStack,
  fleet: TestFleet,
  name = 'checkout',
): Promise<Client> {
  const made = await fleet.qip('join-token', `${domain}/${name}`, '--json')
  const { token } = JSON.parse(made.stdout) as { token: string }
  const transport = openTransport({ url: fleet.authorityUrl })
  stack.defer(() => transport.close())
  const admission = await admit(transport, { method: 'join-token', evidence: { token } })
  const session = openSession({ transport, admission })
  stack.defer(() => session.close())
  return {
    async headers(order = {}) {
      const [issued] = await unlessBusy(() =>
        requestTokens(session, { audience: `${domain}/shop`, ...order }),
      )
      assert.ok(issued)
      return { 'quantum-ip': issued.token, 'quantum-ip-head': issued.staple ?? '' }
    },
  }
}

/** Asks again while the authority has too much to do: on a busy machine it sheds load, and says that one shall come back. */
async function unlessBusy<Result>(ask: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      if (!isQipError(error) || error.fault !== 'busy' || tries === 30) throw error
      await sleep(1_000)
    }
  }
}

/** Admits a client and lets it call. Each token goes to every gateway, with the staple that it came with. */
export async function openCaller(stack: AsyncDisposableStack, fleet: TestFleet): Promise<Caller> {
  const client = await openClient(stack, fleet)
  const stopped = new AbortController()
  const call = async (caller: Caller): Promise<void> => {
    const headers = await client.headers()
    caller.keyIds.add(hex(u32be(parseMerkleToken(headers['quantum-ip'] ?? '').keyId)))
    for (const { name, url } of fleet.edges) {
      const response = await fetch(`${url}/orders`, { headers })
      const text = await response.text()
      if (response.status === 200) caller.accepted++
      else caller.rejected.push(`${name}: ${response.status} ${text}`)
    }
  }
  const caller: Caller = {
    accepted: 0,
    rejected: [],
    keyIds: new Set(),
    async stop() {
      stopped.abort()
      await calling
    },
  }
  const calling = (async () => {
    while (!stopped.signal.aborted) {
      await call(caller)
      await sleep(10)
    }
  })()
  calling.catch(() => undefined)
  stack.defer(() => caller.stop())
  return caller
}

/** Waits until something is so, and says what it waited for if that never happens. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await isSo()) return
    await sleep(100)
  }
  assert.fail(`it never happened: ${what}`)
}
