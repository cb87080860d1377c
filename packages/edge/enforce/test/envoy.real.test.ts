// A real Envoy that retries and hedges before real gateways: `ok_retry` is for proxies that are named, by their certificate, and for the
// same request. Envoy gives each request an `x-request-id` of its own, and keeps it when it sends the request again.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { allocateReplayMemory, ReplayFilter, type ReplayGuard } from '@quantum-ip/verifier'
import { needComponent } from '../../../../scripts/real-components.ts'
import { makeCertificate, type TestCertificate } from './support/certificates.ts'
import { createTestDomain, type TestDomain } from './support/domain.ts'
import { type EnvoyOptions, openEnvoy, type RealEnvoy } from './support/real-envoy.ts'
import { type Asked, ask, openScene, type Scene } from './support/scene.ts'

const envoy = await needComponent('envoy')
const { skip } = envoy
const server = makeCertificate('gateway')
const edge = makeCertificate('edge-proxy')
const stranger = makeCertificate('another-proxy')

/** An upstream that fails, or takes its time, for the first answer to each path, and answers the second. */
async function openUpstream(
  how: 'fails' | 'hangs',
): Promise<AsyncDisposable & { url: string; asked(): number }> {
  const seen = new Set<string>()
  let asked = 0
  const upstream = createServer((request, response) => {
    asked++
    const path = request.url ?? ''
    if (seen.has(path)) {
      response.end(`second ${String(request.headers['quantum-ip-status'])}`)
      return
    }
    seen.add(path)
    if (how === 'fails') response.writeHead(503).end('first')
    else setTimeout(() => response.end('first, late'), 3_000)
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  return {
    url: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      upstream.closeAllConnections()
      upstream.close()
      await once(upstream, 'close')
    },
  }
}

interface Front extends AsyncDisposable {
  readonly domain: TestDomain
  readonly envoy: RealEnvoy
  readonly scenes: readonly Scene[]
  readonly upstream: { asked(): number }
  /** Sends a request with a new one-time token; returns the token, too. */
  send(path: string): Promise<{ readonly asked: Asked; readonly token: string }>
}

interface FrontOptions extends Partial<EnvoyOptions> {
  readonly how: 'fails' | 'hangs'
  readonly retryWindowMs?: number
  readonly gateways?: number
  /** What remembers one-time tokens for all gateways. */
  readonly replay?: (domain: TestDomain) => ReplayGuard
}

/** Envoy before gateways with one memory, before an upstream whose first answer is no good. */
async function openFront(options: FrontOptions): Promise<Front> {
  const { how, gateways = 1, retryWindowMs = 5_000, ...rest } = options
  const stack = new AsyncDisposableStack()
  const domain = await createTestDomain()
  const upstream = stack.use(await openUpstream(how))
  const memory = allocateReplayMemory({ startedMs: domain.clock.now() - 2_000 })
  const ca = `${edge.cert}${stranger.cert}`
  const scenes: Scene[] = []
  for (let n = 0; n < gateways; n++) {
    scenes.push(
      stack.use(
        await openScene({
          domain,
          verifier: {
            replay: options.replay?.(domain) ?? new ReplayFilter(memory, { retryWindowMs, floorSkewMs: 0 }),
          },
          listeners: [{ tls: { key: server.key, cert: server.cert, ca, clientCertificate: 'optional' } }],
          retries: { proxies: ['edge-proxy'], requestIdField: 'x-request-id' },
          routes: (_, { shop }) => [
            { match: {}, service: shop, upstream: { url: upstream.url }, policy: 'default' },
          ],
        }),
      ),
    )
  }
  await domain.advance(1_000)
  const front = stack.use(
    await openEnvoy(envoy, {
      upstreams: scenes.map(({ port }) => port),
      server,
      client: edge,
      retryPolicy: '{ retry_on: 5xx, num_retries: 2 }',
      ...rest,
    }),
  )
  return {
    domain,
    envoy: front,
    scenes,
    upstream,
    async send(path) {
      const { text } = await domain.issueOne({ use: 1 })
      return { asked: await ask(front.port, { token: text, path }), token: text }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const reasons = (scenes: readonly Scene[]): readonly string[] =>
  scenes.flatMap(({ records }) => records.map(({ reason }) => reason)).toSorted()

for (const http2 of [false, true]) {
  const how = http2 ? 'over HTTP/2' : 'over HTTP/1.1'
  test(
    `Envoy that retries a request with a one-time token gets it through: ok, then ok_retry, ${how}`,
    { skip },
    async () => {
      await using front = await openFront({ how: 'fails', http2 })
      const { asked, token } = await front.send('/retried')
      assert.equal(asked.status, 200, asked.body)
      assert.match(asked.body, /second .*status=verified/)
      assert.equal(await front.envoy.counter('cluster.gateway.upstream_rq_retry'), 1)
      assert.deepEqual(reasons(front.scenes), ['ok', 'ok_retry'])
      // The same token in another request is another request ID: Envoy makes a new one.
      const again = await ask(front.envoy.port, { token, path: '/another' })
      assert.equal(again.status, 401)
      assert.deepEqual(reasons(front.scenes), ['ok', 'ok_retry', 'token_replayed'])
    },
  )
}

test('Envoy that hedges sends the same token twice at once, and both pass', { skip }, async () => {
  await using front = await openFront({
    how: 'hangs',
    gateways: 2,
    retryPolicy:
      '{ retry_on: 5xx, num_retries: 1, per_try_timeout: 0.3s }, hedge_policy: { hedge_on_per_try_timeout: true }',
  })
  const { asked } = await front.send('/hedged')
  assert.equal(asked.status, 200, asked.body)
  assert.match(asked.body, /second .*status=verified/, 'the one that was sent while the first was under way')
  assert.deepEqual(reasons(front.scenes), ['ok', 'ok_retry'])
  assert.equal(front.upstream.asked(), 2)
})

const refusals: readonly (readonly [title: string, client: TestCertificate | undefined, windowMs: number])[] =
  [
    ['whose certificate has another name', stranger, 5_000],
    ['that shows no certificate', undefined, 5_000],
    ['where no window is configured', edge, 0],
  ]
for (const [title, client, retryWindowMs] of refusals) {
  test(`a retry of an Envoy ${title} is a replay`, { skip }, async () => {
    await using front = await openFront({
      how: 'fails',
      retryWindowMs,
      ...(client === undefined ? { client: undefined as never } : { client }),
    })
    const { asked } = await front.send('/retried')
    assert.equal(asked.status, 401)
    assert.deepEqual(reasons(front.scenes), ['ok', 'token_replayed'])
    assert.equal(front.upstream.asked(), 1)
  })
}

// Why the guide wants `use_remote_address` at the edge.
for (const [edgeMode, status, what] of [
  [true, 401, 'at the edge, where Envoy gives each request an ID of its own, is a replay'],
  [false, 200, 'that Envoy is told to believe passes as a retry'],
] as const) {
  test(
    `a second request with the same token and a request ID of the client's making ${what}`,
    { skip },
    async () => {
      await using front = await openFront({ how: 'fails', edge: edgeMode })
      const { text } = await front.domain.issueOne({ use: 1 })
      const fields = ['x-request-id', '11111111-2222-4333-8444-555555555555']
      const first = await ask(front.envoy.port, { token: text, path: '/one', fields })
      assert.equal(first.status, 200, first.body)
      const second = await ask(front.envoy.port, { token: text, path: '/one', fields })
      assert.equal(second.status, status)
    },
  )
}
