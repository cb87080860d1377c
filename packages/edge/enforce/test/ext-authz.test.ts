import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseStatus, requestBinding, tracestateHint } from '@quantum-ip/token'
import { openExtAuthz } from '../src/ext-authz.ts'
import { makeCertificate } from './support/certificates.ts'
import { type TestDomain, createTestDomain } from './support/domain.ts'
import { type CheckAnswer, openCheckClient } from './support/ext-authz-client.ts'
import { type About, openExtAuthzScene, questionOf } from './support/ext-authz-scene.ts'
import { policyOf } from './support/scene.ts'

const problemOf = ({ body }: CheckAnswer) => JSON.parse(body) as Record<string, unknown>

test('says what Envoy is to set, to take off, and what its routes may read', async () => {
  await using scene = await openExtAuthzScene({ decisions: { record: () => 'ext-authz-1-x' } })
  const { domain } = scene
  const bld = new Uint8Array(32).fill(7)
  const token = await domain.issueOne({ bld, bev: 2 })
  const answer = await scene.ask({
    token: token.text,
    fields: ['quantum-ip-head', token.staple, 'tracestate', `a=1,qip=${tracestateHint(domain.shop)}`],
  })
  assert.deepEqual([answer.code, answer.status, answer.body], [0, undefined, ''])
  assert.deepEqual(Object.keys(answer.headers), ['quantum-ip-status', 'tracestate'])
  assert.equal(parseStatus(answer.headers['quantum-ip-status'] ?? '').sub, domain.web)
  assert.equal(answer.headers['tracestate'], 'a=1')
  assert.deepEqual(answer.removed, ['quantum-ip', 'quantum-ip-head', 'workload-proof-token', 'traceparent'])
  assert.deepEqual(answer.metadata, {
    status: 'verified',
    reason: 'ok',
    action: 'allow',
    decision: 'ext-authz-1-x',
    subject: domain.web,
    build: '07'.repeat(32),
    service: domain.shop,
    route: '*/',
  })
})

test('refuses as the gateway does, with the metadata of the refusal', async () => {
  await using scene = await openExtAuthzScene()
  const missing = await scene.ask()
  assert.deepEqual([missing.code, missing.status, problemOf(missing)['code']], [16, 401, 'token_refused'])
  assert.match(missing.headers['www-authenticate'] ?? '', /^Quantum-IP /)
  assert.deepEqual([missing.metadata['reason'], missing.metadata['action']], ['token_absent', 'reject'])
  const { text: token } = await scene.domain.issueOne({ exp: scene.domain.nowS() + 900 })
  await scene.domain.advance(300_001, { publish: false })
  const stale = await scene.ask({ token })
  assert.deepEqual([stale.code, stale.status, problemOf(stale)['code']], [14, 503, 'unverifiable'])
  assert.match(stale.headers['retry-after'] ?? '', /^[1-5]$/)
})

test('what has no reading, or two, is refused before a verdict', async () => {
  await using scene = await openExtAuthzScene({ route: { match: { host: 'shop.acme.example' } } })
  const { text: token } = await scene.domain.issueOne()
  const problems: Record<string, [About, number, string]> = {
    'two readings': [{ token, path: '/x/../admin' }, 400, 'path_ambiguous'],
    'no target': [{ token, path: '*' }, 400, 'target_malformed'],
    'a host that is none': [{ token, host: 'a@b' }, 400, 'host_malformed'],
    CONNECT: [{ token, method: 'CONNECT' }, 405, 'method_refused'],
    'an override': [{ token, fields: ['X-HTTP-Method-Override', 'PUT'] }, 400, 'method_override'],
    'two schemes': [{ token, fields: ['x-forwarded-proto', 'http'] }, 400, 'request_malformed'],
    'no route': [{ token, host: 'other.example' }, 404, 'no_route'],
    'too many fields': [
      { token, fields: Array.from({ length: 300 }, (_, i) => `f${i}`) },
      431,
      'fields_too_large',
    ],
  }
  for (const [title, [about, status, code]] of Object.entries(problems)) {
    const answer = await scene.ask(about)
    assert.deepEqual([answer.status, problemOf(answer)['code']], [status, code], title)
    assert.notEqual(answer.code, 0, title)
  }
  for (const bytes of [
    Buffer.from([0x0a, 0x7f, 1]),
    Buffer.from('nonsense'),
    Buffer.from([0xff, 0xff, 0xff]),
  ]) {
    const answer = await scene.client.send(bytes)
    assert.equal(answer.status, 400)
  }
  assert.equal((await scene.client.send(Buffer.alloc(0))).status, 405)
})

test('two tokens are two, as raw fields and joined', async () => {
  await using scene = await openExtAuthzScene()
  const issue = async (): Promise<string> => (await scene.domain.issueOne()).text
  const [one, two] = [await issue(), await issue()]
  const raw = await scene.ask({ token: one, fields: ['quantum-ip', two] })
  assert.deepEqual([raw.status, raw.metadata['reason']], [401, 'token_malformed'])
  const joined = async (headers: Record<string, string>): Promise<CheckAnswer> =>
    scene.client.check({
      http: {
        method: 'GET',
        path: '/cart',
        host: 'shop.acme.example',
        headers: { 'x-forwarded-proto': 'https', ...headers },
      },
    })
  assert.equal((await joined({ 'quantum-ip': await issue() })).code, 0)
  const both = await joined({ 'quantum-ip': `${await issue()},${await issue()}` })
  assert.deepEqual([both.status, both.metadata['reason']], [401, 'token_malformed'])
  const parents = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const traced = await joined({
    'quantum-ip': await issue(),
    traceparent: `${parents},${parents}`,
    tracestate: 'a=1,b=2',
  })
  assert.deepEqual([traced.headers['traceparent'], traced.headers['tracestate']], [undefined, 'a=1,b=2'])
})

test('takes off other spellings of its fields, as they came', async () => {
  await using scene = await openExtAuthzScene()
  const { text: token } = await scene.domain.issueOne()
  const { removed } = await scene.ask({
    token,
    fields: ['quantum_ip_status', 'x', 'quantum.ip', 'y', 'a_b', 'z'],
  })
  assert.deepEqual(removed.slice(-2), ['quantum_ip_status', 'quantum.ip'])
})

test("Envoy's route narrows down which of ours may count, and one that we do not have leaves none", async () => {
  const closed = policyOf({ rules: [{ name: 'all', when: 'true', action: 'reject' }] }, 'closed')
  const domain = await createTestDomain()
  await using scene = await openExtAuthzScene({
    clock: domain.clock,
    verifier: domain.verifier(),
    policies: new Map([
      ['default', policyOf()],
      ['closed', closed],
    ]),
    routes: [
      { match: {}, service: domain.shop, policy: 'default' },
      { name: 'writes', match: {}, service: domain.shop, policy: 'closed', onlyByName: true },
      { name: 'reads', match: { path: '/read' }, service: domain.shop, policy: 'default' },
    ],
  })
  const ask = async (extensions: Record<string, string>, path = '/cart') => {
    const { text: token } = await domain.issueOne()
    const { status, metadata } = await scene.ask({ token, extensions, path })
    return [status, metadata['route']]
  }
  assert.deepEqual(await ask({}), [undefined, '*/'])
  assert.deepEqual(await ask({ other: 'x' }), [undefined, '*/'])
  assert.deepEqual(await ask({ 'quantum_ip.route': 'writes' }), [403, 'writes'])
  assert.deepEqual(await ask({ 'quantum_ip.route': 'reads' }, '/read/x'), [undefined, 'reads'])
  assert.deepEqual(await ask({ 'quantum_ip.route': 'reads' }), [404, undefined])
  assert.deepEqual(await ask({ 'quantum_ip.service': domain.shop }), [undefined, '*/'])
  assert.deepEqual(await ask({ 'quantum_ip.policy': 'closed' }), [404, undefined])
  assert.deepEqual(await ask({ 'quantum_ip.route': 'writes', 'quantum_ip.policy': 'closed' }), [
    403,
    'writes',
  ])
  assert.deepEqual(await ask({ 'quantum_ip.service': domain.web }), [404, undefined])
  assert.deepEqual(await ask({ 'quantum_ip.rout': 'writes' }), [404, undefined])
})

test('checks what is bound to the content against the bytes of a body that is whole', async () => {
  await using scene = await openExtAuthzScene()
  const body = Buffer.from([0x61, 0x3d, 0xff])
  const request = { method: 'POST', authority: 'shop.acme.example', target: '/cart' }
  const contentDigest = createHash('sha256').update(body).digest()
  const ask = async (sent: Buffer | undefined, fields: readonly string[]): Promise<CheckAnswer> => {
    const { text: token } = await scene.domain.issueOne({
      req: requestBinding({ ...request, contentDigest }),
    })
    const about = { token, method: 'POST', path: '/cart', fields }
    return scene.ask(sent === undefined ? about : { ...about, body: sent })
  }
  const whole = ['x-envoy-auth-partial-body', 'false']
  assert.equal((await ask(body, whole)).code, 0)
  for (const [sent, fields] of [
    [body, ['x-envoy-auth-partial-body', 'true']],
    [body, []],
    [body, [...whole, ...whole]],
    [Buffer.from('a=2'), whole],
    [undefined, whole],
  ] as const) {
    const answer = await ask(sent, fields)
    assert.deepEqual([answer.status, answer.metadata['reason']], [401, 'binding_mismatch'])
  }
})

test('lets quarantined requests have their share where nobody routes them, and refuses a policy that names an upstream', async () => {
  const rules = [{ name: 'q', reasons: ['token_absent'], action: 'quarantine' }]
  await using scene = await openExtAuthzScene({ policies: new Map([['default', policyOf({ rules })]]) })
  const first = await scene.ask()
  assert.deepEqual([first.code, first.metadata['action']], [0, 'quarantine'])
  const second = await scene.ask()
  assert.deepEqual([second.status, problemOf(second)['code']], [503, 'quarantine_full'])
  const named = [{ ...rules[0], quarantine: { upstream: 'jail' } }]
  const policies = new Map([['default', policyOf({ rules: named })]])
  await assert.rejects(openExtAuthzScene({ policies }), { code: 'QIP_ENFORCE_ROUTE_INVALID' })
  await using routed = await openExtAuthzScene({ policies, route: { quarantine: 'routed' } })
  assert.equal((await routed.ask()).metadata['quarantine'], 'jail')
})

test('takes no questions from peers that are not listed, and says so instead of failing', async () => {
  await using scene = await openExtAuthzScene({ peers: ['192.0.2.0/24', 'unix'] })
  const { text: token } = await scene.domain.issueOne()
  const answer = await scene.ask({ token })
  assert.deepEqual([answer.status, problemOf(answer)['code']], [403, 'peer_unknown'])
})

test('answers where the guard fails: an error would open a filter that fails open', async () => {
  for (const verify of [() => assert.fail('a defect'), () => Promise.reject(new Error('a defect'))]) {
    const domain = await createTestDomain()
    await using scene = await openExtAuthzScene({
      verifier: { ...domain.verifier(), ready: () => true, verify },
    })
    const answer = await scene.ask({ token: 'x' })
    assert.deepEqual([answer.status, problemOf(answer)['code']], [500, 'defect'])
  }
})

test('refuses more at once than it may have, and says so', async () => {
  const shed: string[] = []
  await using scene = await openExtAuthzScene({
    limits: { inFlightMax: 0 },
    onShed: (cause) => shed.push(cause),
  })
  const answer = await scene.ask()
  assert.deepEqual([answer.status, problemOf(answer)['code'], shed], [503, 'overloaded', ['in_flight']])
})

test('passes what is exempt, and marks it', async () => {
  await using scene = await openExtAuthzScene({ route: { exempt: [{ path: '/health' }] } })
  const answer = await scene.ask({ path: '/health' })
  assert.deepEqual([answer.code, answer.metadata['reason']], [0, 'exempt'])
  assert.equal((await scene.ask({ path: '/health/x' })).status, 401)
})

test('answers questions about its health by name, and does not know others', async () => {
  await using scene = await openExtAuthzScene()
  const { client } = scene
  assert.deepEqual(
    [await client.health(), await client.health('envoy.service.auth.v3.Authorization')],
    [1, 1],
  )
  await assert.rejects(client.health('shop'), { code: 5 })
  const unknown = client.watch('shop')
  unknown.on('error', () => undefined)
  assert.deepEqual(await once(unknown, 'data'), [3])
  unknown.cancel()
})

/** A verifier whose answers wait until they are let go. */
function heldVerifier(domain: TestDomain) {
  const asked = Promise.withResolvers<void>()
  const goes = Promise.withResolvers<void>()
  const inner = domain.verifier()
  return {
    asked: asked.promise,
    goOn: goes.resolve,
    verifier: {
      ...inner,
      ready: () => true,
      verify: (input: Parameters<typeof inner.verify>[0]) => {
        asked.resolve()
        return goes.promise.then(() => inner.verify(input))
      },
    },
  }
}

test('a server that stops says so, answers what it is asked until then, and ends no call', async () => {
  const domain = await createTestDomain()
  const { text: token } = await domain.issueOne()
  const held = heldVerifier(domain)
  const server = await openExtAuthz({
    point: 'ext-authz-1',
    listeners: [{}],
    clock: domain.clock,
    verifier: held.verifier,
    policies: new Map([['default', policyOf()]]),
    routes: [{ match: {}, service: domain.shop, policy: 'default', exempt: [{ path: '/health' }] }],
    drainMs: 300,
  })
  using client = openCheckClient(`127.0.0.1:${server.addresses[0]?.port ?? 0}`)
  const watch = client.watch()
  assert.deepEqual(await once(watch, 'data'), [1])
  const slow = client.check(questionOf({ token }))
  await held.asked
  assert.equal(server.inFlight, 1)
  const closed = server.close()
  assert.deepEqual(await once(watch, 'data'), [2])
  // It goes on: a proxy that has not heard of it yet is answered.
  assert.equal(await client.health(), 2)
  assert.equal((await client.check(questionOf({ path: '/health' }))).code, 0)
  await once(watch, 'end')
  held.goOn()
  assert.equal((await slow).code, 0)
  await closed
  assert.equal(server.inFlight, 0)
  await assert.rejects(client.check(questionOf({ path: '/health' })), { code: 14 })
})

test('cuts what is left when its time is over', async () => {
  const domain = await createTestDomain()
  const held = heldVerifier(domain)
  await using scene = await openExtAuthzScene({ verifier: held.verifier })
  const slow = scene.ask({ token: 'x' })
  slow.catch(() => undefined)
  await held.asked
  await scene[Symbol.asyncDispose]()
  await assert.rejects(slow)
  held.goOn()
})

test('says that it does not serve until it can take one-time tokens, and then whatever happens', async () => {
  const domain = await createTestDomain()
  let ready = false
  await using scene = await openExtAuthzScene({ verifier: { ...domain.verifier(), ready: () => ready } })
  const watch = scene.client.watch()
  assert.deepEqual(await once(watch, 'data'), [2])
  ready = true
  assert.deepEqual(await once(watch, 'data'), [1])
  ready = false
  assert.equal(await scene.client.health(), 1)
  watch.on('error', () => undefined)
  watch.cancel()
})

test('listens over TLS, on Unix sockets, and nowhere that is taken', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-ext-authz-'))
  try {
    const path = join(folder, 'socket')
    await using scene = await openExtAuthzScene({ listeners: [{ path, detail: 'internal' }, {}] })
    using client = openCheckClient(`unix:${path}`)
    const refused = await client.check(questionOf({}))
    assert.deepEqual([refused.status, problemOf(refused)['code']], [401, 'token_refused'])
    assert.equal(problemOf(refused)['reason'], 'token_absent')
    const port = Number(new URL(`http://${scene.addresses[1]}`).port)
    await assert.rejects(openExtAuthzScene({ listeners: [{ port }] }), { code: 'QIP_ENFORCE_LISTEN_FAILED' })
    const { key, cert } = makeCertificate('localhost')
    await using secure = await openExtAuthzScene({ listeners: [{ tls: { key, cert } }] })
    using other = openCheckClient(`localhost:${secure.port}`, cert)
    assert.equal((await other.check(questionOf({}))).status, 401)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('a question over the limit ends with an error, and the next one is answered', async () => {
  await using scene = await openExtAuthzScene({ messageBytesMax: 2_000 })
  await assert.rejects(scene.ask({ body: Buffer.alloc(2_000) }), { code: 8 })
  assert.equal((await scene.ask()).status, 401)
})
