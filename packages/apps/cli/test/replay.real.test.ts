import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { needComponent } from '../../../../scripts/real-components.ts'
import { makeCertificate } from '../../../edge/enforce/test/support/certificates.ts'
import { openEnvoy } from '../../../edge/enforce/test/support/real-envoy.ts'
import { openRedis, type RealRedis, until } from '../../../platform/replay/test/support/real-redis.ts'
import { qip } from './support/qip.ts'

const redis = await needComponent('redis-server')
const envoy = await needComponent('envoy')
const { skip } = redis
const launcher = path.resolve(import.meta.dirname, '../bin/qip.js')
const domain = 'spiffe://acme.example/ns/prod/sa'

interface Running extends AsyncDisposable {
  readonly said: Record<string, string>
}

async function open(cwd: string, args: readonly string[]): Promise<Running> {
  const child = spawn(process.execPath, [launcher, ...args, '--json'], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return {
    said: JSON.parse(line) as Record<string, string>,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    },
  }
}

async function openUpstream(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((asked, response) => response.end(String(asked.headers['quantum-ip-status'])))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const proxyText = `  tls: { certificateFile: ../gateway.pem, keyFile: ../gateway.key, clientCaFile: ../proxies.pem }
  retries: { proxies: [edge-proxy] }
`
const gatewayIdentity = makeCertificate('gateway')
const edge = makeCertificate('edge-proxy')

interface TwoOptions {
  readonly onUnavailable?: 'reject' | 'local'
  /** Takes a proxy that is named by its certificate. */
  readonly retries?: boolean
  /** Instead of an upstream that says what it was told. */
  readonly upstream?: string
}

/** What both gateways are configured with. */
function gatewayText(
  name: string,
  upstream: string,
  { onUnavailable = 'reject', retries = false }: TwoOptions,
): string {
  return `trustDomain: spiffe://acme.example
services: [{ id: ${domain}/shop }]
telemetry: { decisions: { verifiedShare: 100% } }
replay:
  retryWindow: ${retries ? '5s' : '0s'}
  redis: { urlFile: ../redis-url, timeout: 2s, failoverMargin: 0s, onUnavailable: ${onUnavailable} }
gateway:
  name: ${name}
  listen: 127.0.0.1:0
  threads: 2
${retries ? proxyText : ''}  routes: [{ service: ${domain}/shop, upstream: '${upstream}' }]
`
}

/** Two gateways, each of two threads, with one authority, which is in the process of the first. */
async function openTwo(
  stack: AsyncDisposableStack,
  server: RealRedis,
  options: TwoOptions = {},
): Promise<{ readonly urls: readonly [string, string]; readonly folders: readonly [string, string] }> {
  const root = await mkdtemp(path.join(tmpdir(), 'qip-replay-'))
  stack.defer(() => rm(root, { recursive: true, force: true }))
  const folders = [path.join(root, 'one'), path.join(root, 'two')] as const
  for (const folder of folders) await mkdir(folder)
  await writeFile(path.join(root, 'redis-url'), `${server.url}\n`, { mode: 0o600 })
  const upstream = options.upstream ?? stack.use(await openUpstream()).url
  await writeFile(path.join(root, 'gateway.pem'), gatewayIdentity.cert)
  await writeFile(path.join(root, 'gateway.key'), gatewayIdentity.key, { mode: 0o600 })
  await writeFile(path.join(root, 'proxies.pem'), edge.cert)
  const [one, two] = folders
  await writeFile(
    path.join(one, 'quantum-ip.yaml'),
    `${gatewayText('one', upstream, options)}authority: { listen: 127.0.0.1:0 }
admission: { requireAttestation: off, rules: [{ service: ${domain}/*, builder: '**' }] }
`,
  )
  const first = stack.use(await open(one, ['up']))
  const wellKnown = (await (await fetch(`${first.said['authority']}/.well-known/quantum-ip`)).json()) as {
    readonly rootThumbprints: readonly string[]
  }
  const sid = 'spiffe://acme.example/quantum-ip/two'
  const joined = await qip(['join-token', sid, '--role', 'verifier', '-o', '../two/join'], { cwd: one })
  assert.equal(joined.code, 0, joined.stderr)
  await writeFile(
    path.join(two, 'quantum-ip.yaml'),
    `${gatewayText('two', upstream, options)}authority: { url: '${first.said['authority']}' }
trust: { rootThumbprints: [${wellKnown.rootThumbprints.join(', ')}] }
`,
  )
  const second = stack.use(await open(two, ['serve', '--role', 'gateway', '--join-token-file', 'join']))
  return { urls: [String(first.said['gateway']), String(second.said['url'])], folders }
}

/** Asks an operators' socket. */
function operator(folder: string, name: string, what: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { socketPath: path.join(folder, 'snapshot', `${name}.sock`), path: what },
      (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      },
    )
    asked.on('error', reject)
    asked.end()
  })
}

async function oneTimeTokens(cwd: string, count: number): Promise<readonly string[]> {
  const whom = ['--as', `${domain}/checkout`, '--audience', `${domain}/shop`]
  const issued = await qip(['token', 'issue', ...whom, '--one-time', '--count', String(count), '--json'], {
    cwd,
  })
  assert.equal(issued.code, 0, issued.stderr)
  return (JSON.parse(issued.stdout) as { readonly tokens: readonly string[] }).tokens
}

async function send(url: string, token: string): Promise<{ readonly code: number; readonly status: string }> {
  const reply = await fetch(`${url}/`, { headers: { 'quantum-ip': token } })
  return { code: reply.status, status: await reply.text() }
}

test(
  'two gateways of two threads accept a one-time token once, and refuse while Redis is away, visibly',
  { skip, timeout: 120_000 },
  async () => {
    await using stack = new AsyncDisposableStack()
    const server = stack.use(await openRedis(redis))
    const { urls, folders } = await openTwo(stack, server)
    await until(async () => (await operator(folders[1], 'two', '/readyz')).status === 200)
    const tokens = await oneTimeTokens(folders[0], 20)
    // Each token six times at once, over both gateways and their threads. A busy machine may shed some.
    let accepted = 0
    for (const token of tokens) {
      const replies = await Promise.all([0, 1, 0, 1, 0, 1].map((at) => send(urls[at] as string, token)))
      const passed = replies.filter(({ code }) => code === 200).length
      assert.ok(passed <= 1, `${passed} times`)
      accepted += passed
    }
    assert.ok(accepted > tokens.length / 2, `${accepted} of ${tokens.length}`)
    const [before = ''] = await oneTimeTokens(folders[0], 1)
    await server.kill()
    await until(async () => (await operator(folders[1], 'two', '/readyz')).status === 503)
    const { body } = await operator(folders[1], 'two', '/readyz')
    assert.match(
      body,
      /"replay","ok":false,"reason":"one-time tokens are refused: the shared store does not answer"/,
    )
    assert.equal((await send(urls[1], before)).code, 503)
    const decisions = await operator(folders[1], 'two', '/v1/decisions')
    assert.match(decisions.body, /"reason":"replay_unavailable"/)
    await until(async () =>
      /^quantum_ip_replay_store_ready 0$/m.test((await operator(folders[1], 'two', '/metrics')).body),
    )
    await server.start()
    await until(async () => (await operator(folders[1], 'two', '/readyz')).status === 200)
    const [after = ''] = await oneTimeTokens(folders[0], 1)
    assert.equal((await send(urls[1], after)).code, 200)
    assert.equal((await send(urls[0], after)).code, 401)
    assert.match(
      (await operator(folders[1], 'two', '/metrics')).body,
      /^quantum_ip_replay_floor_raised_total\{cause="primary"\} [12]$/m,
    )
  },
)

test(
  'with `onUnavailable: local` a gateway goes on by itself while Redis is away, which record and metric show',
  { skip, timeout: 120_000 },
  async () => {
    await using stack = new AsyncDisposableStack()
    const server = stack.use(await openRedis(redis))
    const { urls, folders } = await openTwo(stack, server, { onUnavailable: 'local' })
    await until(async () =>
      (await operator(folders[1], 'two', '/readyz')).body.includes('"replay","ok":true}'),
    )
    await server.kill()
    await until(async () => (await operator(folders[1], 'two', '/readyz')).body.includes('counts for itself'))
    const [token = ''] = await oneTimeTokens(folders[0], 1)
    const replies = [await send(urls[1], token), await send(urls[1], token), await send(urls[0], token)]
    assert.deepEqual(
      replies.map(({ code }) => code),
      [200, 401, 200],
      'once at each gateway',
    )
    assert.match(
      (await operator(folders[1], 'two', '/metrics')).body,
      /^quantum_ip_fail_open_total\{enforcement_point="two",kind="replay_per_instance"\} 1$/m,
    )
    const { body } = await operator(folders[1], 'two', '/v1/decisions')
    assert.match(body, /"failOpen":\["replay_per_instance"\]/)
  },
)

test(
  'a gateway does not start on a Redis that evicts, and says what to do',
  { skip, timeout: 60_000 },
  async () => {
    await using stack = new AsyncDisposableStack()
    const server = stack.use(await openRedis(redis, ['--maxmemory-policy', 'allkeys-lru']))
    const root = await mkdtemp(path.join(tmpdir(), 'qip-replay-'))
    stack.defer(() => rm(root, { recursive: true, force: true }))
    await mkdir(path.join(root, 'one'))
    await writeFile(path.join(root, 'redis-url'), server.url)
    await writeFile(
      path.join(root, 'one', 'quantum-ip.yaml'),
      `${gatewayText('one', 'http://127.0.0.1:9', {}).replace('threads: 2', 'threads: 1')}authority: { listen: 127.0.0.1:0 }\n`,
    )
    const { code, stderr } = await qip(['up'], { cwd: path.join(root, 'one') })
    assert.notEqual(code, 0)
    assert.match(stderr, /maxmemory-policy/)
    assert.match(stderr, /next: .*noeviction/)
  },
)

/** An upstream that fails the first request for each path. */
async function openFailing(): Promise<AsyncDisposable & { readonly url: string }> {
  const seen = new Set<string>()
  const server = createServer((asked, response) => {
    const isFirst = !seen.has(asked.url ?? '')
    seen.add(asked.url ?? '')
    response.writeHead(isFirst ? 503 : 200).end(String(asked.headers['quantum-ip-status']))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test(
  'a real Envoy in front, named by its certificate, retries at another gateway: ok there, ok_retry here',
  { skip: skip || envoy.skip, timeout: 120_000 },
  async () => {
    await using stack = new AsyncDisposableStack()
    const server = stack.use(await openRedis(redis))
    const upstream = stack.use(await openFailing())
    const { urls, folders } = await openTwo(stack, server, { retries: true, upstream: upstream.url })
    await until(async () => (await operator(folders[1], 'two', '/readyz')).status === 200)
    const front = stack.use(
      await openEnvoy(envoy, {
        upstreams: urls.map((url) => Number(new URL(url).port)),
        server: gatewayIdentity,
        client: edge,
        retryPolicy: '{ retry_on: 5xx, num_retries: 1 }',
      }),
    )
    const tokens = await oneTimeTokens(folders[0], 6)
    for (const [at, token] of tokens.entries()) {
      const reply = await fetch(`http://127.0.0.1:${front.port}/${at}`, { headers: { 'quantum-ip': token } })
      assert.equal(reply.status, 200, `token ${at}`)
      assert.match(await reply.text(), /status=verified/)
      const again = await fetch(`http://127.0.0.1:${front.port}/${at}`, { headers: { 'quantum-ip': token } })
      assert.equal(again.status, 401, 'another request')
    }
    const decisions = await Promise.all([
      operator(folders[0], 'one', '/v1/decisions'),
      operator(folders[1], 'two', '/v1/decisions'),
    ])
    const counts = decisions.map(({ body }) => {
      const { decisions: made } = JSON.parse(body) as {
        readonly decisions: readonly { readonly reason: string }[]
      }
      return {
        ok: made.filter(({ reason }) => reason === 'ok').length,
        retry: made.filter(({ reason }) => reason === 'ok_retry').length,
      }
    })
    assert.equal(
      counts.reduce((sum, { ok }) => sum + ok, 0),
      6,
    )
    assert.equal(
      counts.reduce((sum, { retry }) => sum + retry, 0),
      6,
    )
    assert.ok(
      counts.every(({ ok, retry }) => ok + retry > 0),
      'both gateways had some',
    )
  },
)
