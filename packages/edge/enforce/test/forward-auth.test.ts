import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { parseStatus, requestBinding, tracestateHint } from '@quantum-ip/token'
import { type ForwardAuthOptions, type ForwardRoute, openForwardAuth } from '../src/index.ts'
import { type TestDomain, createTestDomain } from './support/domain.ts'
import { openRaw } from './support/raw.ts'
import { type AskOptions, type Asked, ask, policyOf } from './support/scene.ts'

interface ForwardScene extends AsyncDisposable {
  readonly domain: TestDomain
  readonly port: number
  /** Asks about a request, as nginx is told to. */
  original(about?: About): Promise<Asked>
  ask(options: AskOptions): Promise<Asked>
}

interface About extends AskOptions {
  readonly uri?: string
  readonly verb?: string
  readonly authority?: string
}

async function openForward(
  options: Partial<ForwardAuthOptions> & { readonly route?: Partial<ForwardRoute> } = {},
): Promise<ForwardScene> {
  const { route, ...rest } = options
  const domain = await createTestDomain()
  const endpoint = await openForwardAuth({
    point: 'forward-1',
    listeners: [{}],
    clock: domain.clock,
    verifier: domain.verifier(),
    policies: new Map([['default', policyOf()]]),
    routes: [{ match: {}, service: domain.shop, policy: 'default', ...route }],
    timeouts: { stopMs: 100 },
    ...rest,
  })
  const port = endpoint.addresses[0]?.port ?? 0
  return {
    domain,
    port,
    ask: (asked) => ask(port, asked),
    original({
      uri = '/cart?x=1',
      verb = 'GET',
      authority = 'shop.acme.example',
      fields = [],
      ...more
    } = {}) {
      const told = ['X-Original-URI', uri, 'X-Original-Method', verb, 'X-Original-Host', authority]
      return ask(port, {
        path: '/original',
        fields: [...told, 'X-Original-Proto', 'https', ...fields],
        ...more,
      })
    },
    [Symbol.asyncDispose]: () => endpoint.close(),
  }
}

test('answers 200 with what the proxy is to set, and what it may route by', async () => {
  await using scene = await openForward()
  const { domain } = scene
  const bld = new Uint8Array(32).fill(7)
  const token = await domain.issueOne({ bld, bev: 2 })
  const { status, headers, body } = await scene.original({
    token: token.text,
    fields: ['Quantum-IP-Head', token.staple, 'tracestate', `a=1,qip=${tracestateHint(domain.shop)}`],
  })
  assert.deepEqual([status, body], [200, ''])
  assert.equal(parseStatus(String(headers['quantum-ip-status'])).sub, domain.web)
  assert.equal(headers['tracestate'], 'a=1')
  assert.equal(headers['quantum-ip'], undefined)
  assert.equal(headers['quantum-ip-action'], 'allow')
  assert.equal(headers['quantum-ip-verdict'], 'verified ok')
  assert.equal(headers['quantum-ip-subject'], domain.web)
  assert.equal(headers['quantum-ip-build'], '07'.repeat(32))
})

test('decides about the original request, not about the question', async () => {
  const rules = [
    { name: 'writes', when: 'request.method == "DELETE"', action: 'reject' },
    { name: 'admin', when: 'request.path == "/admin"', action: 'reject' },
    { name: 'host', when: 'request.host == "other.example"', action: 'reject' },
  ]
  await using scene = await openForward({ policies: new Map([['default', policyOf({ rules })]]) })
  const { text: token } = await scene.domain.issueOne()
  assert.equal((await scene.original({ token })).status, 200)
  assert.equal((await scene.original({ token, verb: 'DELETE' })).status, 403)
  assert.equal((await scene.original({ token, uri: '/%61dmin?x' })).status, 403)
  assert.equal((await scene.original({ token, authority: 'other.example:8443' })).status, 403)
})

test('knows 200, 401 and 403 alone: also what is refused before a verdict, and what is not HTTP', async () => {
  await using scene = await openForward()
  const { text: token } = await scene.domain.issueOne()
  const problems: Record<string, [About, number, string]> = {
    'no token': [{}, 401, 'token_refused'],
    'two tokens': [{ token, fields: ['quantum-ip', token] }, 401, 'token_refused'],
    'two readings': [{ token, uri: '/x/../admin' }, 403, 'path_ambiguous'],
    'no target': [{ token, uri: '*' }, 403, 'target_malformed'],
    'a host that is none': [{ token, authority: 'a@b' }, 403, 'host_malformed'],
    'no method': [{ token, verb: 'get it' }, 403, 'method_refused'],
    CONNECT: [{ token, verb: 'CONNECT' }, 403, 'method_refused'],
    'no contract': [{ token, path: '/' }, 403, 'no_route'],
    'an override': [{ token, fields: ['X-HTTP-Method-Override', 'PUT'] }, 403, 'method_override'],
    'a field twice': [{ token, fields: ['X-Original-URI', '/health'] }, 403, 'request_malformed'],
  }
  for (const [title, [about, status, code]] of Object.entries(problems)) {
    const asked = await scene.original(about)
    assert.deepEqual(
      [asked.status, asked.problem['status'], asked.problem['code']],
      [status, status, code],
      title,
    )
  }
  const large = await scene.original({ fields: ['x', 'y'.repeat(40_000)] })
  assert.equal(large.status, 403)
  const raw = await openRaw(scene.port)
  raw.send('NONSENSE\r\n\r\n')
  assert.match(await raw.closed(), /^HTTP\/1\.1 403 /)
})

test('what could not be found out is 403 for the moment', async () => {
  await using scene = await openForward()
  const { text: token } = await scene.domain.issueOne({ exp: scene.domain.nowS() + 900 })
  await scene.domain.advance(300_001, { publish: false })
  const asked = await scene.original({ token })
  assert.deepEqual([asked.status, asked.problem['code']], [403, 'unverifiable'])
  assert.match(asked.headers['retry-after'] ?? '', /^[1-5]$/)
})

test('refuses a question that lacks one of the fields, whatever else it says', async () => {
  await using scene = await openForward()
  const { text: token } = await scene.domain.issueOne()
  const whole = [
    ['X-Forwarded-Method', 'GET'],
    ['X-Forwarded-Uri', '/cart'],
    ['X-Forwarded-Host', 'shop.acme.example'],
    ['X-Forwarded-Proto', 'https'],
  ]
  const about = (fields: readonly string[][]) =>
    scene.ask({ path: '/forwarded', token, fields: [...fields.flat(), 'X-Original-URI', '/cart'] })
  assert.equal((await about(whole)).status, 200)
  for (const left of whole) {
    const asked = await about(whole.filter((each) => each !== left))
    assert.deepEqual([asked.status, asked.problem['code']], [403, 'request_malformed'], left.join(' '))
  }
})

const traefik = (uri: string): readonly string[] =>
  Object.entries({
    'X-Forwarded-Method': 'POST',
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'shop.acme.example',
    'X-Forwarded-Uri': uri,
    'X-Forwarded-For': '192.0.2.1',
  }).flat()

test("reads Traefik's question by its contract", async () => {
  await using scene = await openForward({ route: { match: { host: 'shop.acme.example', path: '/api' } } })
  const { text: token } = await scene.domain.issueOne()
  assert.equal((await scene.ask({ path: '/forwarded', token, fields: traefik('/api/cart?x') })).status, 200)
  assert.equal((await scene.ask({ path: '/forwarded', token, fields: traefik('/apis') })).status, 403)
})

test('tells Envoy what to take off, by the path that it appends', async () => {
  await using scene = await openForward()
  const { text: token } = await scene.domain.issueOne()
  const fields = ['x-forwarded-proto', 'https']
  const good = await scene.ask({ path: '/envoy/cart?x=1', token, fields })
  assert.equal(good.status, 200)
  assert.equal(
    good.headers['x-envoy-auth-headers-to-remove'],
    'quantum-ip,quantum-ip-head,workload-proof-token,tracestate,traceparent',
  )
  assert.equal((await scene.ask({ path: '/envoy/x/../cart', token, fields })).status, 403)
  assert.equal((await scene.ask({ path: '/envoyx', token, fields })).status, 403)
})

test('takes no questions from peers that are not listed', async () => {
  await using scene = await openForward({ peers: ['192.0.2.0/24', 'unix'] })
  const { text: token } = await scene.domain.issueOne()
  const asked = await scene.original({ token })
  assert.deepEqual([asked.status, asked.problem['code']], [403, 'peer_unknown'])
})

test('lets quarantined requests have their share where nobody routes them, and refuses a policy that names an upstream', async () => {
  const rules = [{ name: 'q', reasons: ['token_absent'], action: 'quarantine' }]
  await using scene = await openForward({ policies: new Map([['default', policyOf({ rules })]]) })
  const first = await scene.original()
  assert.deepEqual([first.status, first.headers['quantum-ip-action']], [200, 'quarantine'])
  const second = await scene.original()
  assert.deepEqual([second.status, second.problem['code']], [403, 'quarantine_full'])
  const named = [{ ...rules[0], quarantine: { upstream: 'jail' } }]
  const policies = new Map([['default', policyOf({ rules: named })]])
  await assert.rejects(openForward({ policies }), { code: 'QIP_ENFORCE_ROUTE_INVALID' })
  await using routed = await openForward({ policies, route: { quarantine: 'routed' } })
  const asked = await routed.original()
  assert.deepEqual([asked.status, asked.headers['quantum-ip-quarantine']], [200, 'jail'])
})

test('checks what is bound to the content where the proxy sends the body whole', async () => {
  await using scene = await openForward({ route: { bodyBytesHeld: 1_000 } })
  const body = 'a=1'
  const request = { method: 'POST', authority: 'shop.acme.example', target: '/cart' }
  const contentDigest = createHash('sha256').update(body).digest()
  const bound = async (): Promise<string> =>
    (await scene.domain.issueOne({ req: requestBinding({ ...request, contentDigest }) })).text
  const about = async (fields: readonly string[], sent: string) =>
    scene.ask({
      path: '/envoy/cart',
      method: 'POST',
      token: await bound(),
      fields: ['x-forwarded-proto', 'https', ...fields],
      body: sent,
    })
  assert.equal((await about([], body)).status, 200)
  assert.equal((await about(['x-envoy-auth-partial-body', 'true'], body)).status, 401)
  assert.equal((await about([], 'a=2')).status, 401)
})

test('an upgrade that is asked about is a question like any other', async () => {
  await using scene = await openForward()
  const fields = ['connection', 'upgrade', 'upgrade', 'websocket']
  assert.equal((await scene.original({ fields })).status, 401)
  const { text: token } = await scene.domain.issueOne()
  assert.equal((await scene.original({ fields, token })).status, 200)
})
