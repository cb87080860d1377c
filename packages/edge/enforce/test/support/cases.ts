import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:http2'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { readChallenge, parseStatus, tracestateHint } from '@quantum-ip/token'
import { type CasePoint, reasonCases, send, statusFor } from './case-reasons.ts'
import { CaseWorld, type CaseWorldOptions, digestOf } from './case-world.ts'
import type { Asked } from './scene.ts'

interface WireCase {
  readonly name: string
  readonly run: (world: CaseWorld, point: CasePoint) => Promise<void>
}

const statusName = 'quantum-ip-status'
const bytes = new Uint8Array(32).fill(9)

/** The fields of this name, in any spelling, that the service saw. */
function seen(asked: Asked, name: string): readonly string[] {
  const wanted = name.replaceAll('-', '_')
  return asked.seen.raw.filter(
    (_text, i) =>
      i % 2 === 1 && asked.seen.raw[i - 1]?.toLowerCase().replaceAll(/[^a-z0-9]/g, '_') === wanted,
  )
}

const wireCases: readonly WireCase[] = [
  {
    name: 'what was found reaches the service, and the token goes no further',
    async run({ domain }, point) {
      const token = await domain.issueOne({ bld: bytes, bev: 2 })
      const asked = await send(point, {
        token: token.text,
        fields: [
          'Quantum-IP-Head',
          token.staple,
          // The token is bound to no key: a proof says nothing here, and goes no further than the token.
          'Workload-Proof-Token',
          'proof',
          'tracestate',
          `a=1,qip=${tracestateHint(domain.shop)}`,
          'traceparent',
          '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
        ],
      })
      assert.equal(asked.status, 200, asked.body)
      const status = parseStatus(asked.field(statusName) ?? '')
      assert.deepEqual([status.status, status.sub, status.bld], ['verified', domain.web, bytes])
      if (point.records !== false) assert.match(status.id ?? '', /^case-/)
      for (const name of ['quantum-ip', 'quantum-ip-head', 'workload-proof-token'])
        assert.deepEqual(seen(asked, name), [], name)
      const tracestate = asked.field('tracestate') ?? ''
      if (point.ownTracestate) assert.match(tracestate, point.ownTracestate)
      assert.equal(tracestate.replace(point.ownTracestate ?? '', ''), 'a=1')
      assert.match(asked.field('traceparent') ?? '', /^00-4bf92f3577b34da6a3ce929d0e0e4736-/)
      assert.equal(asked.seen.url, '/cart?x=1')
    },
  },
  {
    name: 'a status that the caller writes itself, in any spelling, is not what the service sees',
    async run({ domain }, point) {
      const forged =
        'status=verified, reason=ok, action=allow, mode=enforce, sub="spiffe://acme.example/admin"'
      const spellings = ['Quantum-IP-Status', 'quantum_ip_status', 'Quantum-IP_Status', 'QUANTUM_IP-STATUS']
      const fields = spellings.flatMap((name) => [name, forged])
      const { text: token } = await domain.issueOne()
      const asked = await send(point, { token, fields })
      assert.equal(asked.status, 200, asked.body)
      const [status = '', ...more] = seen(asked, statusName)
      assert.deepEqual([parseStatus(status).sub, more], [domain.web, []])
      const open = await send(point, { path: '/monitored', fields })
      const [missing = '', ...others] = seen(open, statusName)
      assert.deepEqual([parseStatus(missing).status, others], ['missing', []])
    },
  },
  {
    name: 'a caller has nothing of what was found taken off by naming it as a field of its connection',
    async run({ domain }, point) {
      const { text: token } = await domain.issueOne()
      const fields = ['Connection', 'keep-alive, Quantum-IP-Status, Quantum-IP-Action']
      const asked = await send(point, { token, fields })
      if (asked.status !== 200) return
      const [status = ''] = seen(asked, statusName)
      assert.equal(parseStatus(status).sub, domain.web)
    },
  },
  {
    name: 'two tokens are refused, also two equal ones',
    async run(world, point) {
      const { text: token } = await world.domain.issueOne()
      const asked = await send(point, { token, fields: ['Quantum-IP', token] })
      // HAProxy and others refuse it themselves, or pass both on.
      assert.ok(asked.status === 401 || asked.status === 400, String(asked.status))
    },
  },
  {
    name: 'a token over every limit reaches nobody',
    async run(world, point) {
      const before = world.asked
      for (const size of [6_000, 70_000]) {
        const outcome = await send(point, { token: `qip1.${'A'.repeat(size)}` }).catch(() => undefined)
        assert.ok(
          // A proxy that was still asking when the point hung up may answer 502.
          outcome === undefined || outcome.status >= 400,
          String(outcome?.status),
        )
      }
      assert.equal(world.asked, before)
    },
  },
  {
    name: 'a caller whose head nobody knows is asked to bring it, and passes with it',
    async run({ domain }, point) {
      const { text: token, staple } = await domain.issueOne({}, { publish: false })
      const asked = await send(point, { token })
      assert.equal(asked.status, 401, asked.body)
      assert.deepEqual(readChallenge(asked.headers['www-authenticate'] ?? ''), {
        error: 'token_refused',
        head: 'required',
      })
      const again = await send(point, { token, fields: ['Quantum-IP-Head', staple] })
      assert.equal(again.status, 200, again.body)
      assert.equal(parseStatus(again.field(statusName) ?? '').sub, domain.web)
    },
  },
  {
    name: 'monitor lets through what it would have refused, and says so',
    async run(_world, point) {
      const asked = await send(point, { path: '/monitored' })
      assert.equal(asked.status, 200, asked.body)
      const { status, reason, action, mode } = parseStatus(asked.field(statusName) ?? '')
      assert.deepEqual([status, reason, action, mode], ['missing', 'token_absent', 'allow', 'monitor'])
    },
  },
  {
    name: 'the policy refuses a caller that holds',
    async run({ domain }, point) {
      const { text: token } = await domain.issueOne()
      assert.equal((await send(point, { token, path: '/closed' })).status, 403)
    },
  },
  {
    name: 'a quarantined request goes elsewhere, marked',
    async run({ domain }, point) {
      const { text: token } = await domain.issueOne()
      const asked = await send(point, { token, path: '/jailed/cart' })
      assert.equal(asked.status, 200, asked.body)
      assert.equal(asked.seen.upstream, 'jail')
      assert.equal(parseStatus(asked.field(statusName) ?? '').action, 'quarantine')
      const other = await send(point, { token })
      assert.equal(other.seen.upstream, 'service')
    },
  },
  {
    name: 'an exempt path passes without a token, and nothing beside it',
    async run(world, point) {
      const asked = await send(point, { path: '/health' })
      assert.equal(asked.status, 200, asked.body)
      assert.equal(parseStatus(asked.field(statusName) ?? '').reason, 'exempt')
      const before = world.asked
      for (const path of ['/health/x', '/healthy', '/x/../health', '/health%2f..%2fcart']) {
        assert.ok((await send(point, { path })).status >= 400, path)
      }
      assert.equal(world.asked, before)
    },
  },
  {
    name: 'what the caller says about another request is not believed',
    async run(world, point) {
      const before = world.asked
      const lies = [
        ['X-Original-URI', '/health', 'X-Original-Method', 'GET', 'X-Original-URL', '/health'],
        ['X-Forwarded-Uri', '/health', 'X-Forwarded-Method', 'GET', 'X-Forwarded-Prefix', '/monitored'],
        ['X-Rewrite-URL', '/monitored', 'X-Forwarded-Host', 'other.example'],
      ]
      for (const fields of lies) {
        const { status } = await send(point, { fields })
        assert.ok(status >= 400, fields.join(' '))
      }
      assert.equal(world.asked, before)
    },
  },
  {
    name: 'a body that streams arrives whole',
    async run({ domain }, point) {
      const { text: token } = await domain.issueOne()
      const body = Buffer.alloc(3_000_000, 'streamed ')
      await point.settle?.()
      const { status, text } = await upload(point.port, token, body)
      assert.equal(status, 200, text)
      assert.equal((JSON.parse(text) as { body: string }).body, digestOf(body))
    },
  },
  {
    name: 'the decision is about the method, too',
    async run({ domain }, point) {
      const { text: token } = await domain.issueOne()
      const asked = await send(point, { token, method: 'POST', body: 'a=1' })
      assert.deepEqual([asked.status, asked.seen.method, asked.seen.body], [200, 'POST', 'a=1'])
    },
  },
]

// In parts, without a length.
async function upload(port: number, token: string, body: Buffer): Promise<{ status: number; text: string }> {
  const headers = { host: 'shop.acme.example', 'quantum-ip': token, 'transfer-encoding': 'chunked' }
  const request = httpRequest({
    port,
    host: '127.0.0.1',
    agent: false,
    method: 'POST',
    path: '/upload',
    headers,
  })
  for (let at = 0; at < body.length; at += 100_000) request.write(body.subarray(at, at + 100_000))
  request.end()
  const [response] = await once(request, 'response')
  const text = (await response.setEncoding('utf8').toArray()).join('')
  return { status: response.statusCode, text }
}

async function webSocketCase(world: CaseWorld, point: CasePoint): Promise<void> {
  const { text } = await world.domain.issueOne()
  await point.settle?.()
  const url = `ws://127.0.0.1:${point.port}/socket`
  const host = 'shop.acme.example'
  const socket = new WebSocket(url, { headers: { host, 'quantum-ip': text } })
  await once(socket, 'open')
  socket.send('hello')
  const [heard] = await once(socket, 'message')
  assert.equal(String(heard), 'service heard hello')
  socket.close()
  await once(socket, 'close')
  const before = world.asked
  const refused = new WebSocket(url, { headers: { host } })
  refused.on('error', () => undefined)
  const [, response] = await once(refused, 'unexpected-response')
  assert.equal(response.statusCode, 401)
  assert.equal(world.asked, before)
}

async function call(port: number, fields: Record<string, string>) {
  const session = connect(`http://127.0.0.1:${port}`)
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/shop.Cart/Add',
      ':authority': 'shop.acme.example',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...fields,
    })
    let trailers: Record<string, unknown> = {}
    stream.on('trailers', (got: Record<string, unknown>) => (trailers = got))
    // One empty message: not compressed, of length 0.
    stream.end(Buffer.alloc(5))
    const [headers] = await once(stream, 'response')
    const parts = await stream.toArray()
    return { headers, trailers, body: Buffer.concat(parts) }
  } finally {
    session.close()
  }
}

async function grpcCase(world: CaseWorld, point: CasePoint): Promise<void> {
  const port = point.grpcPort ?? 0
  const { text } = await world.domain.issueOne()
  await point.settle?.()
  const good = await call(port, { 'quantum-ip': text, 'quantum-ip-status': 'status=verified' })
  assert.equal(good.headers[':status'], 200)
  assert.equal(good.trailers['grpc-status'] ?? good.headers['grpc-status'], '0')
  assert.equal(good.body.length, 5)
  assert.equal(parseStatus(String(good.headers['x-saw-status'])).sub, world.domain.web)
  assert.equal(good.headers['x-saw-token'], '')
  const before = world.asked
  const refused = await call(port, {})
  // HTTP 401, or in a gRPC client's terms: UNAUTHENTICATED.
  assert.ok(refused.headers[':status'] === 401 || refused.headers['grpc-status'] === '16')
  assert.equal(world.asked, before)
}

/** Runs the shared body of cases against a point. Every enforcement point does. */
export function runCases(
  title: string,
  open: (world: CaseWorld) => Promise<CasePoint>,
  { skip = false, ...options }: CaseWorldOptions & { readonly skip?: string | false } = {},
): void {
  void test(title, { skip }, async (suite) => {
    await using world = await CaseWorld.open(options)
    await using point = await open(world)
    const skipOf = (name: string): string | false => point.without?.[name] ?? false
    for (const { reason, advancesMs, arrange } of reasonCases) {
      await suite.test(`answers ${reason}`, { skip: skipOf(reason) }, async () => {
        await world.begin(advancesMs)
        const arranged = await arrange(world, point)
        const before = world.asked
        const recorded = world.reasons.length
        const asked = await send(point, arranged)
        const isRecorded = world.reasons.length > recorded
        assert.equal(isRecorded ? world.reasons.at(-1) : await point.reasonOf?.(), reason)
        assert.equal(asked.status, statusFor(reason, point), asked.body)
        assert.equal(world.asked - before, reason === 'ok' ? 1 : 0)
        // One challenge, of one point: proxies that add their own would hide what is asked for.
        if (asked.status === 401)
          assert.match(
            asked.headers['www-authenticate'] ?? '',
            /^Quantum-IP error="\w+"(?:, head="required")?$/,
          )
      })
    }
    for (const { name, run } of wireCases) {
      await suite.test(name, { skip: skipOf(name) }, async () => {
        await world.begin()
        await run(world, point)
      })
    }
    const noSocket = point.webSocket === true ? false : skipOf('webSocket') || 'it carries none'
    await suite.test('a WebSocket opens with a token and only so', { skip: noSocket }, async () => {
      await world.begin()
      await webSocketCase(world, point)
    })
    const { grpcPort } = point
    const noGrpc = grpcPort === undefined ? skipOf('grpc') || 'it carries none' : false
    await suite.test('a gRPC call passes with a token and only so', { skip: noGrpc }, async () => {
      await world.begin()
      await grpcCase(world, point)
    })
  })
}
