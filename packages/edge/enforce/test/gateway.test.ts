import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { parseStatus, requestBinding, tracestateHint } from '@quantum-ip/token'
import type { Span } from '@quantum-ip/telemetry'
import { openGateway } from '../src/index.ts'
import { makeCertificate } from './support/certificates.ts'
import { type TestDomain, createTestDomain } from './support/domain.ts'
import { openRaw } from './support/raw.ts'
import { type Asked, type Scene, openEcho, openScene, policyOf } from './support/scene.ts'

const hour = 3_600_000

test('lets a good token through, takes it off with its hint, and says what it found', async () => {
  await using scene = await openScene()
  const { domain } = scene
  const token = await domain.issueOne({ bld: new Uint8Array(32).fill(7), bev: 2 })
  const asked = await scene.ask({
    token: token.text,
    fields: [
      'tracestate',
      `a=1,qip=${tracestateHint(domain.shop)},b=2`,
      'Quantum-IP-Head',
      token.staple,
      'quantum_ip_status',
      'status=verified',
    ],
  })
  assert.equal(asked.status, 200)
  const status = parseStatus(asked.field('quantum-ip-status') ?? '')
  assert.deepEqual(
    { ...status, id: undefined },
    {
      status: 'verified',
      reason: 'ok',
      action: 'allow',
      mode: 'enforce',
      sub: domain.web,
      bld: new Uint8Array(32).fill(7),
      bev: 2,
      id: undefined,
    },
  )
  assert.equal(status.id, scene.records[0]?.id)
  assert.equal(asked.field('quantum-ip'), undefined)
  assert.equal(asked.field('quantum-ip-head'), undefined)
  assert.equal(asked.field('quantum_ip_status'), undefined)
  assert.equal(asked.field('tracestate'), 'a=1,b=2')
  assert.ok(!asked.body.includes(token.text))
})

interface Refusal {
  readonly title: string
  readonly reason: string
  readonly status: number
  readonly challenge?: string
  /** Whether the caller proved who it is, and so is told why. */
  readonly proved?: boolean
  readonly ask: (scene: Scene, domain: TestDomain) => Promise<Asked>
}

const refusals: readonly Refusal[] = [
  { title: 'no token', reason: 'token_absent', status: 401, ask: (scene) => scene.ask() },
  {
    title: 'a token that was stripped',
    reason: 'token_stripped',
    status: 401,
    ask: (scene, domain) => scene.ask({ fields: ['tracestate', `qip=${tracestateHint(domain.shop)}`] }),
  },
  {
    title: 'a token that was cut',
    reason: 'token_truncated',
    status: 401,
    ask: async (scene, domain) => scene.ask({ token: (await domain.issueOne()).text.slice(0, 100) }),
  },
  {
    title: 'two tokens, also equal ones',
    reason: 'token_malformed',
    status: 401,
    ask: async (scene, domain) => {
      const { text } = await domain.issueOne()
      return scene.ask({ token: text, fields: ['quantum-ip', text] })
    },
  },
  {
    title: 'nonsense',
    reason: 'token_malformed',
    status: 401,
    ask: (scene) => scene.ask({ token: 'x'.repeat(9_000) }),
  },
  {
    title: 'a forged token',
    reason: 'signature_invalid',
    status: 401,
    ask: async (scene, domain) => scene.ask({ token: await tampered(domain) }),
  },
  {
    title: 'a token of another domain by the same name',
    reason: 'key_unknown',
    status: 401,
    ask: async (scene) =>
      scene.ask({ token: (await (await createTestDomain({ seed: 'other' })).issueOne()).text }),
  },
  {
    title: 'an expired token',
    reason: 'token_expired',
    status: 401,
    ask: async (scene, domain) => {
      const { text } = await domain.issueOne()
      await domain.advance(hour)
      return scene.ask({ token: text })
    },
  },
  {
    title: 'a token for another service',
    reason: 'audience_mismatch',
    status: 401,
    ask: async (scene, domain) => scene.ask({ token: (await domain.issueOne({ aud: [domain.web] })).text }),
  },
  {
    title: 'a one-time token again',
    reason: 'token_replayed',
    status: 401,
    proved: true,
    ask: async (scene, domain) => {
      const { text } = await domain.issueOne({ use: 1 })
      assert.equal((await scene.ask({ token: text })).status, 200)
      return scene.ask({ token: text })
    },
  },
  {
    title: 'a revoked identity',
    reason: 'identity_revoked',
    status: 401,
    ask: async (scene, domain) => {
      const { text } = await domain.issueOne()
      await domain.revoke({ kind: 'identity', value: domain.web })
      return scene.ask({ token: text })
    },
  },
  {
    title: 'a token bound to a certificate that is not there',
    reason: 'binding_mismatch',
    status: 401,
    proved: true,
    ask: async (scene, domain) =>
      scene.ask({ token: (await domain.issueOne({ cnf: { x5tS256: new Uint8Array(32) } })).text }),
  },
  {
    title: 'a trust state that is too old',
    reason: 'trust_stale',
    status: 503,
    proved: true,
    ask: async (scene, domain) => {
      const { text } = await domain.issueOne({ exp: domain.nowS() + 3_000 })
      await domain.advance(1_000_000, { publish: false })
      return scene.ask({ token: text })
    },
  },
  {
    title: 'a head that nobody has, without a staple',
    reason: 'head_unavailable',
    status: 401,
    challenge: ', head="required"',
    ask: async (scene, domain) => scene.ask({ token: (await domain.issueOne({}, { publish: false })).text }),
  },
]

// Changed in the path, the last field: the claims read well, and lead elsewhere.
async function tampered(domain: TestDomain): Promise<string> {
  const [token] = await domain.issue([{}, {}])
  const { text } = token!
  const at = text.length - 10
  return `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`
}

for (const { title, reason, status, challenge, proved, ask } of refusals) {
  test(`refuses ${title} with ${status}: ${reason}`, async () => {
    await using scene = await openScene()
    const before = scene.echo.asked()
    const asked = await ask(scene, scene.domain)
    assert.equal(scene.records.at(-1)?.reason, reason)
    assert.equal(asked.status, status)
    assert.equal(asked.headers['content-type'], 'application/problem+json')
    assert.equal(asked.problem['decision'], scene.records.at(-1)?.id)
    assert.equal(asked.problem['reason'], proved === true ? reason : undefined)
    if (proved !== true)
      assert.ok(!asked.body.includes(reason) && !JSON.stringify(asked.headers).includes(reason))
    if (status === 401) {
      const error = proved === true ? reason : 'token_refused'
      assert.equal(asked.headers['www-authenticate'], `Quantum-IP error="${error}"${challenge ?? ''}`)
    } else assert.match(asked.headers['retry-after'] ?? '', /^[1-5]$/)
    assert.equal(scene.echo.asked() - before, reason === 'token_replayed' ? 1 : 0)
  })
}

test('says why, by which rule and what to do on an internal listener', async () => {
  await using scene = await openScene({ listeners: [{ detail: 'internal' }] })
  const asked = await scene.ask()
  assert.equal(asked.headers['www-authenticate'], 'Quantum-IP error="token_absent"')
  assert.equal(asked.problem['reason'], 'token_absent')
  assert.equal(asked.problem['policy'], 'default version 1')
  assert.equal(asked.problem['decidedBy'], 'default')
  assert.match(String(asked.problem['next']), /draw a token/)
  assert.equal(asked.problem['type'], 'urn:quantum-ip:problem:token_refused')
})

test('takes a stapled head where none is held', async () => {
  await using scene = await openScene()
  const token = await scene.domain.issueOne({}, { publish: false })
  const asked = await scene.ask({ token: token.text, fields: ['quantum-ip-head', token.staple] })
  assert.equal(asked.status, 200)
})

test('refuses with 403 what the policy refuses, and names the rule to a caller that holds', async () => {
  const rules = [{ name: 'no-writes', when: 'request.method == "POST"', action: 'reject' }]
  await using scene = await openScene({ policies: [policyOf({ rules })] })
  const { text } = await scene.domain.issueOne()
  assert.equal((await scene.ask({ token: text })).status, 200)
  const asked = await scene.ask({ token: text, method: 'POST', body: 'x' })
  assert.equal(asked.status, 403)
  assert.equal(asked.problem['rule'], 'no-writes')
  assert.equal(asked.headers['www-authenticate'], undefined)
})

test('decides by the path as it is meant, and forwards it as it was sent', async () => {
  const rules = [{ name: 'no-admin', when: 'request.path == "/admin"', action: 'reject' }]
  await using scene = await openScene({ policies: [policyOf({ rules })] })
  const { text } = await scene.domain.issueOne()
  for (const path of ['/admin', '/%61dmin', '/admin?x']) {
    assert.equal((await scene.ask({ token: text, path })).status, 403, path)
  }
  assert.equal((await scene.ask({ token: text, path: '/./admin' })).status, 400)
  assert.equal((await scene.ask({ token: text, path: '/%62dmin' })).seen.url, '/%62dmin')
})

test('lets everything through in monitor mode, says what it found, and records what it would have done', async () => {
  await using scene = await openScene({ policies: [policyOf({ mode: 'monitor' })] })
  const asked = await scene.ask()
  assert.equal(asked.status, 200)
  assert.match(
    asked.field('quantum-ip-status') ?? '',
    /^status=missing, reason=token_absent, action=allow, mode=monitor/,
  )
  assert.equal(scene.records[0]?.wouldBe, 'reject')
  assert.deepEqual(scene.records[0]?.failOpen, ['monitor'])
})

test('refuses what is not verified on a route without a policy', async () => {
  await using scene = await openScene({ route: { policy: undefined } })
  assert.equal((await scene.ask()).status, 401)
  assert.equal((await scene.ask({ token: (await scene.domain.issueOne()).text })).status, 200)
})

test('has no answer but 404 for a host or path without a route', async () => {
  await using scene = await openScene({ route: { match: { host: 'shop.acme.example', path: '/cart' } } })
  const { text } = await scene.domain.issueOne()
  assert.equal((await scene.ask({ token: text, path: '/other' })).problem['code'], 'no_route')
  assert.equal((await scene.ask({ token: text })).status, 200)
  assert.equal(scene.records.length, 1)
})

test('asks nobody on an exempt path, takes the token off all the same, and says so', async () => {
  await using scene = await openScene({
    route: { exempt: [{ path: '/healthz' }, { path: '/cart', methods: ['OPTIONS'] }] },
  })
  const asked = await scene.ask({ path: '/healthz', token: 'nonsense' })
  assert.equal(asked.status, 200)
  assert.equal(asked.field('quantum-ip'), undefined)
  assert.match(asked.field('quantum-ip-status') ?? '', /^status=missing, reason=exempt/)
  assert.equal((await scene.ask({ path: '/cart', method: 'OPTIONS' })).status, 200)
  assert.equal((await scene.ask({ path: '/healthz/x' })).status, 401)
  assert.equal(scene.records.length, 1)
})

test('leaves token, head and hint on the request where the route forwards them', async () => {
  await using scene = await openScene({ route: { forwardToken: true } })
  const token = await scene.domain.issueOne()
  const hint = `qip=${tracestateHint(scene.domain.shop)}`
  const asked = await scene.ask({
    token: token.text,
    fields: ['quantum-ip-head', token.staple, 'tracestate', hint],
  })
  assert.equal(asked.field('quantum-ip'), token.text)
  assert.equal(asked.field('quantum-ip-head'), token.staple)
  assert.equal(asked.field('tracestate'), hint)
})

const bad = { reason: 'token_absent' }
const quarantineMissing = (quarantine?: Record<string, unknown>) =>
  policyOf({
    rules: [{ name: 'q', reasons: [bad.reason], action: 'quarantine', ...(quarantine && { quarantine }) }],
  })

test('sends quarantined requests to the upstream that policy or route name, marked', async () => {
  await using jail = await openEcho('jail')
  await using other = await openEcho('other')
  await using byPolicy = await openScene({
    policies: [quarantineMissing({ upstream: 'jail' })],
    quarantineUpstreams: new Map([['jail', { url: jail.url }]]),
    route: { quarantineUpstream: { url: other.url } },
  })
  const asked = await byPolicy.ask()
  assert.equal(asked.seen.upstream, 'jail')
  assert.match(asked.field('quantum-ip-status') ?? '', /action=quarantine/)
  await using byRoute = await openScene({
    policies: [quarantineMissing()],
    route: { quarantineUpstream: { url: other.url } },
  })
  assert.equal((await byRoute.ask()).seen.upstream, 'other')
})

test('lets quarantined requests have a small share of the service where there is no such upstream', async () => {
  await using scene = await openScene({ policies: [quarantineMissing()] })
  assert.equal((await scene.ask()).status, 200)
  const refused = await scene.ask()
  assert.equal(refused.status, 503)
  assert.equal(refused.problem['code'], 'quarantine_full')
  assert.match(refused.headers['retry-after'] ?? '', /^[1-5]$/)
  const { text } = await scene.domain.issueOne()
  for (let i = 0; i < 100; i++) assert.equal((await scene.ask({ token: text })).status, 200)
  assert.equal((await scene.ask()).status, 200)
})

test('holds the request to what the token is bound to, byte for byte', async () => {
  await using scene = await openScene()
  const { domain } = scene
  const bound = { method: 'GET', authority: 'shop.acme.example', target: '/cart?x=%61' }
  const { text } = await domain.issueOne({ req: requestBinding(bound) })
  assert.equal((await scene.ask({ token: text, path: '/cart?x=%61' })).status, 200)
  assert.equal((await scene.ask({ token: text, path: '/cart?x=a' })).status, 401)
  assert.equal((await scene.ask({ token: text, path: '/cart?x=%61', method: 'HEAD' })).status, 401)
})

test('checks a token bound to the content where bodies are held, and refuses it where they stream', async () => {
  const body = 'the content'
  const contentDigest = createHash('sha256').update(body).digest()
  const bound = { method: 'PUT', authority: 'shop.acme.example', target: '/cart?x=1', contentDigest }
  await using holding = await openScene({ route: { bodyBytesHeld: 100 } })
  const { text } = await holding.domain.issueOne({ req: requestBinding(bound) })
  const asked = await holding.ask({ token: text, method: 'PUT', body })
  assert.equal(asked.status, 200)
  assert.equal(asked.seen.body, body)
  assert.equal(
    (await holding.ask({ token: text, method: 'PUT', body: 'the Content' })).problem['reason'],
    'binding_mismatch',
  )
  const large = 'x'.repeat(101)
  const plain = await holding.domain.issueOne()
  assert.equal((await holding.ask({ token: plain.text, method: 'PUT', body: large })).seen.body, large)
  await using streaming = await openScene({ domain: holding.domain })
  assert.equal(
    (await streaming.ask({ token: text, method: 'PUT', body })).problem['reason'],
    'binding_mismatch',
  )
})

test('takes a token bound to the client certificate of the connection, and shows the policy who that is', async () => {
  const server = makeCertificate('gateway')
  const caller = makeCertificate('caller', 'spiffe://acme.example/ns/prod/sa/web')
  const rules = [
    { name: 'only-mtls', when: 'request.mtls == null || request.mtls != identity', action: 'reject' },
  ]
  await using scene = await openScene({
    listeners: [
      { tls: { key: server.key, cert: server.cert, ca: caller.cert, clientCertificate: 'optional' } },
    ],
    policies: [policyOf({ rules })],
  })
  const { text } = await scene.domain.issueOne({ cnf: { x5tS256: caller.thumbprint } })
  const with_ = { secure: true, ca: server.cert, cert: caller.cert, key: caller.key } as const
  assert.equal((await scene.ask({ token: text, ...with_ })).status, 200)
  assert.equal(
    (await scene.ask({ token: text, secure: true, ca: server.cert })).problem['reason'],
    'binding_mismatch',
  )
  const free = await scene.domain.issueOne()
  assert.equal((await scene.ask({ token: free.text, secure: true, ca: server.cert })).status, 403)
})

test('accepts standalone tokens and JWTs only where the route says so', async () => {
  await using strict = await openScene({ verifier: { heads: { unanchored: 'accept' } } })
  const { domain } = strict
  const standalone = await domain.issueOne({}, { form: 'standalone' })
  const jwt = await domain.issueJwt()
  await domain.publish()
  assert.equal((await strict.ask({ token: standalone.text })).status, 401)
  assert.equal((await strict.ask({ token: jwt })).status, 401)
  await using open = await openScene({ domain, route: { accept: { standalone: true, jwt: true } } })
  assert.equal((await open.ask({ token: standalone.text })).status, 200)
  assert.equal((await open.ask({ token: jwt })).status, 200)
})

async function openStream(scene: Scene, token?: string): Promise<Awaited<ReturnType<typeof openRaw>>> {
  const client = await openRaw(scene.port)
  client.send(
    `GET /stream HTTP/1.1\r\nhost: a\r\n${token === undefined ? '' : `quantum-ip: ${token}\r\n`}\r\n`,
  )
  await client.until(/begun/)
  return client
}

test('cuts a stream when its token has ended, tolerance included', async () => {
  await using scene = await openScene({ timeouts: { sweepMs: 20 } })
  const { text } = await scene.domain.issueOne()
  const client = await openStream(scene, text)
  await scene.domain.advance(325_000)
  await new Promise((resolve) => {
    setTimeout(resolve, 100)
  })
  assert.equal(client.socket.readableEnded, false)
  await scene.domain.advance(6_000)
  await client.closed(2_000)
})

test('cuts a stream at once when what it stands on is revoked, and no other', async () => {
  await using scene = await openScene()
  const { domain } = scene
  const [bad, good] = await domain.issue([{}, { sub: `${domain.td}/ns/prod/sa/other` }])
  const [cut, spared] = [await openStream(scene, bad!.text), await openStream(scene, good!.text)]
  await domain.revoke({ kind: 'identity', value: domain.web })
  await cut.closed(500)
  assert.equal(spared.socket.readableEnded, false)
  assert.equal(scene.gateway.inFlight, 1)
  spared.socket.destroy()
})

test('cuts nothing in monitor mode', async () => {
  await using scene = await openScene({ policies: [policyOf({ mode: 'monitor' })] })
  const client = await openStream(scene, (await scene.domain.issueOne()).text)
  await scene.domain.revoke({ kind: 'identity', value: scene.domain.web })
  assert.equal(scene.gateway.recheckStreams(), 0)
  assert.equal(client.socket.readableEnded, false)
  client.socket.destroy()
})

test('refuses an upgrade like any request', async () => {
  await using scene = await openScene()
  const client = await openRaw(scene.port)
  client.send('GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
  assert.match(await client.closed(), /^HTTP\/1.1 401 [^]*www-authenticate: Quantum-IP error="token_refused"/)
  assert.equal(scene.echo.asked(), 0)
})

test('takes new policies while it runs, all or none', async () => {
  await using scene = await openScene()
  const open = policyOf({ mode: 'monitor' })
  assert.equal((await scene.ask()).status, 401)
  scene.gateway.usePolicies(new Map([['default', open]]))
  assert.equal((await scene.ask()).status, 200)
  assert.throws(() => scene.gateway.usePolicies(new Map([['defaults', open]])), {
    code: 'QIP_ENFORCE_ROUTE_INVALID',
    message: /there is `defaults`/,
  })
  assert.throws(
    () => scene.gateway.usePolicies(new Map([['default', quarantineMissing({ upstream: 'jail' })]])),
    {
      code: 'QIP_ENFORCE_ROUTE_INVALID',
      message: /quarantine upstream `jail`/,
    },
  )
  assert.equal((await scene.ask()).status, 200)
})

test('lets a candidate decide too, without effect', async () => {
  const seen: string[] = []
  await using scene = await openScene({
    candidates: new Map([['default', policyOf({ mode: 'monitor' }, 'next')]]),
    watch: (active, candidate) =>
      void seen.push(`${candidate?.policy.name} ${candidate?.action} ${active.action}`),
  })
  assert.equal((await scene.ask()).status, 401)
  assert.deepEqual(seen, ['next allow reject'])
})

test('hands over what is to be checked after the reply, where the policy lets it through before', async () => {
  const deferred: string[] = []
  const rules = [
    {
      name: 'later',
      when: 'verdict.reason == "ok_shallow"',
      action: 'allow',
      deferred: true,
      reasons: ['ok_shallow'],
    },
  ]
  await using scene = await openScene({
    policies: [policyOf({ rules })],
    deferred: ({ verdict, priority }) => void deferred.push(`${verdict.reason} ${priority}`),
  })
  const { domain } = scene
  const { build, att } = await domain.registry.attest()
  await domain.publish()
  const { text } = await domain.issueOne({ bld: build, att })
  const asked = await scene.ask({ token: text })
  assert.equal(asked.status, 200)
  assert.match(
    asked.field('quantum-ip-status') ?? '',
    /^status=verified, reason=ok_shallow, action=allow, mode=enforce, deferred/,
  )
  assert.deepEqual(deferred, ['ok_shallow 1'])
})

test('continues the trace of a request, and makes spans of sampled ones', async () => {
  const spans: Span[] = []
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  await using scene = await openScene({ spans: { export: (span) => void spans.push(span) } })
  const { text } = await scene.domain.issueOne()
  const sampled = await scene.ask({
    token: text,
    fields: ['traceparent', `00-${traceId}-00f067aa0ba902b7-01`],
  })
  assert.equal(spans.length, 1)
  assert.equal(spans[0]?.parentSpanId, '00f067aa0ba902b7')
  assert.equal(sampled.field('traceparent'), `00-${traceId}-${spans[0]?.context.spanId}-01`)
  assert.equal(scene.records[0]?.traceId, traceId)
  await scene.ask({ token: text, fields: ['traceparent', `00-${traceId}-00f067aa0ba902b7-00`] })
  assert.equal(spans.length, 1)
  await using plain = await openScene({ domain: scene.domain })
  const field = `00-${traceId}-00f067aa0ba902b7-01`
  assert.equal((await plain.ask({ token: text, fields: ['traceparent', field] })).field('traceparent'), field)
  assert.equal(plain.records[0]?.traceId, traceId)
})

test('lets only a named proxy repeat a one-time token, by its certificate and with the same request ID', async () => {
  const server = makeCertificate('gateway')
  const proxy = makeCertificate('edge-proxy')
  const domain = await createTestDomain()
  await using scene = await openScene({
    domain,
    verifier: { replay: domain.replay({ retryWindowMs: 5_000 }) },
    listeners: [
      { tls: { key: server.key, cert: server.cert, ca: proxy.cert, clientCertificate: 'optional' } },
    ],
    retries: { proxies: ['edge-proxy'], requestIdField: 'x-request-id' },
  })
  const { text } = await domain.issueOne({ use: 1 })
  const as = { token: text, secure: true, ca: server.cert } as const
  const proxied = { ...as, cert: proxy.cert, key: proxy.key, fields: ['x-request-id', '1'] } as const
  assert.equal((await scene.ask(proxied)).status, 200)
  assert.equal((await scene.ask(proxied)).status, 200)
  assert.equal(scene.records.at(-1)?.reason, 'ok_retry')
  assert.equal((await scene.ask({ ...proxied, fields: ['x-request-id', '2'] })).status, 401)
  assert.equal((await scene.ask({ ...as, fields: ['x-request-id', '1'] })).status, 401)
})

test('refuses options that cannot be meant before it listens', async () => {
  const domain = await createTestDomain()
  const route = { match: {}, service: domain.shop, upstream: { url: 'http://127.0.0.1:1' } }
  const base = { point: 'edge-1', listeners: [{}], verifier: domain.verifier(), policies: new Map() }
  for (const [routes, code] of [
    [[{ ...route, service: 'shop' }], 'QIP_ENFORCE_ROUTE_INVALID'],
    [[{ ...route, policy: 'none' }], 'QIP_ENFORCE_ROUTE_INVALID'],
    [[{ ...route, match: { path: 'x' } }], 'QIP_ENFORCE_ROUTE_INVALID'],
    [[route, route], 'QIP_ENFORCE_ROUTE_CONFLICT'],
    [[{ ...route, upstream: { url: 'http://a/b' } }], 'QIP_ENFORCE_UPSTREAM_INVALID'],
    [[{ ...route, quarantineUpstream: { url: 'x' } }], 'QIP_ENFORCE_UPSTREAM_INVALID'],
  ] as const) {
    await assert.rejects(openGateway({ ...base, routes }), { code })
  }
})

test('keeps marked secrets out of answers and records', async () => {
  await using scene = await openScene({ listeners: [{ detail: 'internal' }] })
  const { text } = await scene.domain.issueOne({ aud: [scene.domain.web] })
  const asked = await scene.ask({
    token: text,
    path: '/secret-path?secret-query',
    fields: ['authorization', 'Bearer secret-key'],
  })
  const all = JSON.stringify([asked.body, asked.headers, scene.records])
  assert.ok(!all.includes('secret') && !all.includes(text) && !all.includes(text.slice(20, 60)))
})

test('answers on the connection that asked, while others stay open', async () => {
  await using scene = await openScene()
  const socket = connect({ port: scene.port, host: '127.0.0.1' })
  await once(socket, 'connect')
  socket.write('GET /a HTTP/1.1\r\nhost: a\r\n\r\nGET /b HTTP/1.1\r\nhost: a\r\n\r\n')
  const chunks: string[] = []
  socket.setEncoding('latin1').on('data', (chunk: string) => chunks.push(chunk))
  while ((chunks.join('').match(/HTTP\/1.1 401/g) ?? []).length < 2) await once(socket, 'data')
  socket.destroy()
})
