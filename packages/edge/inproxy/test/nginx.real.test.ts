import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { simulatedClock } from '@quantum-ip/testing'
import { requestBinding, tracestateHint } from '@quantum-ip/token'
import { createTestDomain, type TestDomain } from '../../../core/verifier/test/fixture.ts'
import { needComponent } from '../../../../scripts/real-components.ts'
import { openForwardAuth } from '../../enforce/src/index.ts'
import { policyOf } from '../../enforce/test/support/scene.ts'
import { openNginx, type RealProxy } from '../../enforce/test/support/real-proxies.ts'
import { type EdgeStateWriter, openEdgeStateWriter } from '../src/index.ts'
import { guideNginx } from './support/guide-nginx.ts'
import { openEcho } from './support/open-echo.ts'

const nginx = await needComponent('nginx')
const module = await needComponent('nginx-js')
const skip = nginx.skip || module.skip

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
  /** What the upstream saw, if it was asked. */
  readonly seen: {
    readonly method: string
    readonly url: string
    readonly raw: readonly string[]
    readonly bytes: number
  }
}

interface Scene extends AsyncDisposable {
  readonly domain: TestDomain
  readonly proxy: RealProxy
  readonly writer: EdgeStateWriter
  /** Where the held state is. */
  readonly directory: string
  readonly asked: () => number
  /** Closes what nginx asks. */
  endVerifier(): Promise<void>
  ask(options?: {
    token?: string
    fields?: readonly string[]
    method?: string
    path?: string
    body?: string
  }): Promise<Answer>
}

/** nginx by the guide's configuration, before an echo, with real forward authentication to ask. */
async function openScene({ mode = 'enforce', shallow = 'ask', clockMs = Date.now() } = {}): Promise<Scene> {
  await using opened = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'qip-edge-state-'))
  opened.defer(() => rm(directory, { recursive: true, force: true }))
  const domain = await createTestDomain({ clock: simulatedClock(clockMs) })
  const writer = opened.use(await openEdgeStateWriter({ store: domain.store, directory }))
  const echo = opened.use(await openEcho())
  let asked = 0
  const endpoint = opened.use(
    await openForwardAuth({
      point: 'forward-1',
      listeners: [{}],
      verifier: domain.verifier(),
      policies: new Map([['default', policyOf()]]),
      routes: [{ match: {}, service: domain.shop, policy: 'default' }],
      timeouts: { stopMs: 100 },
      observer: { finished: () => asked++ },
    }),
  )
  const config = guideNginx({
    module,
    directory,
    service: domain.shop,
    verifier: endpoint.addresses[0]?.port ?? 0,
    upstream: Number(new URL(echo.url).port),
  })
  const server = config.server
    .replace('mode enforce', `mode ${mode}`)
    .replace('shallow ask', `shallow ${shallow}`)
  const proxy = opened.use(await openNginx(nginx, { ...config, server }))
  const closing = opened.move()
  return {
    domain,
    proxy,
    writer,
    directory,
    asked: () => asked,
    endVerifier: () => endpoint.close(),
    ask: (options) => send(proxy.port, options),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

function send(port: number, options: Parameters<Scene['ask']>[0] = {}): Promise<Answer> {
  const { token, fields = [], method = 'GET', path = '/cart?x=1', body } = options
  const headers = [
    ...fields,
    ...(token === undefined ? [] : ['Quantum-IP', token]),
    'Host',
    'shop.acme.example',
  ]
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      port,
      method,
      path,
      headers: body === undefined ? headers : [...headers, 'Content-Length', String(body.length)],
    })
    request.on('error', reject).on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => {
        const seen = text.startsWith('{"method') ? JSON.parse(text) : { raw: [] }
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, seen })
      })
    })
    request.end(body)
  })
}

function field({ seen }: Answer, name: string): string | undefined {
  const at = seen.raw.findIndex((one, i) => i % 2 === 0 && one.toLowerCase() === name.toLowerCase())
  return at < 0 ? undefined : seen.raw[at + 1]
}

test('nginx lets a good token through by itself, takes it off and says who calls', { skip }, async () => {
  await using scene = await openScene()
  const { domain } = scene
  const batch = await domain.issue(
    Array.from({ length: 300 }, () => ({ bld: new Uint8Array(32).fill(7), bev: 2 as const })),
  )
  await scene.writer.write()
  const answer = await scene.ask({
    token: batch[123]?.text ?? '',
    fields: [
      'Quantum-IP-Head',
      'x',
      'quantum-ip-status',
      'status=verified, sub="spiffe://acme.example/forged"',
      'Quantum_IP_Status',
      'x',
      'tracestate',
      `qip=${tracestateHint(domain.shop)},other=1`,
    ],
    method: 'POST',
    body: 'x'.repeat(100_000),
  })
  assert.equal(answer.status, 200, answer.body + (await scene.proxy.log()))
  assert.equal(
    field(answer, 'Quantum-IP-Status'),
    `status=verified, reason=ok, action=allow, mode=enforce, sub="${domain.web}", bld=:${Buffer.alloc(32, 7).toString('base64')}:, bev=2`,
  )
  const ours = answer.seen.raw.filter((name, at) => at % 2 === 0 && /quantum/i.test(name))
  assert.deepEqual(ours, ['Quantum-IP-Status'])
  assert.deepEqual([answer.seen.method, answer.seen.url, answer.seen.bytes], ['POST', '/cart?x=1', 100_000])
  assert.deepEqual([field(answer, 'tracestate'), scene.asked()], ['other=1', 0])
})

test('nginx refuses by itself what does not hold, and tells the upstream nothing', { skip }, async () => {
  await using scene = await openScene()
  const { domain } = scene
  const nowS = domain.nowS()
  const good = await domain.issueOne()
  const revoked = await domain.issueOne({ sub: `${domain.td}/revoked` })
  await domain.revoke({ kind: 'identity', value: `${domain.td}/revoked` })
  const tokens: Record<string, string | undefined> = {
    absent: undefined,
    truncated: good.text.slice(0, -20),
    malformed: `${good.text}AAAA`,
    forged: (await domain.issueOne()).text.replace(/.{40}$/, good.text.slice(-60, -20)),
    expired: (await domain.issueOne({ iat: nowS - 400, exp: nowS - 100 })).text,
    audience: (await domain.issueOne({ aud: [domain.web] })).text,
    request: (
      await domain.issueOne({
        req: requestBinding({ method: 'GET', authority: 'shop.acme.example', target: '/' }),
      })
    ).text,
    revoked: revoked.text,
    two: `${good.text}, ${good.text}`,
  }
  await scene.writer.write()
  const told: string[] = []
  for (const [name, token] of Object.entries(tokens)) {
    const answer = await scene.ask(token === undefined ? {} : { token })
    told.push(
      `${name} ${answer.status} ${String(answer.headers['www-authenticate'])} ${JSON.parse(answer.body).code}`,
    )
  }
  const refused = '401 Quantum-IP error="token_refused" token_refused'
  assert.deepEqual(
    told,
    Object.keys(tokens).map((name) => `${name} ${refused}`),
  )
  const twice = await scene.ask({ token: good.text, fields: ['quantum-ip', good.text] })
  assert.deepEqual([twice.status, scene.asked()], [401, 0])
  assert.equal((await scene.ask({ token: good.text })).status, 200)
})

test('nginx takes a token that is bound to the very request', { skip }, async () => {
  await using scene = await openScene()
  const { domain } = scene
  const req = requestBinding({
    method: 'GET',
    authority: 'shop.acme.example',
    target: '/a%2Fb//c/../d?x=%20',
  })
  const { text } = await domain.issueOne({ req })
  await scene.writer.write()
  const answers = [
    await scene.ask({ token: text, path: '/a%2Fb//c/../d?x=%20' }),
    await scene.ask({ token: text, path: '/a/b/d?x=%20' }),
    await scene.ask({ token: text, path: '/a%2Fb//c/../d?x=%20', method: 'DELETE' }),
  ]
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 401, 401],
  )
})

test(
  'nginx asks the verifier about one-time tokens and young heads, once each, and goes by its answer',
  { skip },
  async () => {
    await using scene = await openScene()
    const { domain } = scene
    const once = await domain.issueOne({ use: 1 })
    await scene.writer.write()
    const first = await scene.ask({ token: once.text, method: 'POST', body: 'abc' })
    const second = await scene.ask({ token: once.text })
    assert.deepEqual([first.status, second.status, scene.asked()], [200, 401, 2], await scene.proxy.log())
    assert.match(
      field(first, 'Quantum-IP-Status') ?? '',
      /^status=verified, reason=ok, action=allow, mode=enforce, sub="spiffe/,
    )
    assert.deepEqual(
      [field(first, 'Quantum-IP'), first.seen.method, first.seen.bytes],
      [undefined, 'POST', 3],
    )
    assert.equal(second.headers['www-authenticate'], 'Quantum-IP error="token_replayed"')
  },
)

test('nginx knows a head as soon as the folder has it, without a reload', { skip }, async () => {
  await using scene = await openScene()
  const { domain } = scene
  const young = await domain.issueOne({}, { publish: false })
  await scene.ask({ token: young.text })
  assert.equal(scene.asked(), 1)
  await domain.publish()
  await scene.writer.write()
  assert.deepEqual([(await scene.ask({ token: young.text })).status, scene.asked()], [200, 1])
})

test('nginx refuses with 503 where the state is too old, missing or cannot be read', { skip }, async () => {
  await using stale = await openScene({ clockMs: Date.now() - 310_000 })
  const { text } = await stale.domain.issueOne({ exp: stale.domain.nowS() + 900 })
  await stale.writer.write()
  assert.deepEqual([(await stale.ask({ token: text })).status, stale.asked()], [503, 0])
  await using scene = await openScene()
  const good = await scene.domain.issueOne()
  await scene.writer.write()
  assert.equal((await scene.ask({ token: good.text })).status, 200)
  for (const text of ['{', '{}', '']) {
    await writeFile(join(scene.directory, 'state'), text)
    assert.equal((await scene.ask({ token: good.text })).status, 503)
  }
  await rm(join(scene.directory, 'state'))
  assert.equal((await scene.ask({ token: good.text })).status, 503)
  // A folder where a file should be: an error that is not absence.
  await mkdir(join(scene.directory, 'state'))
  assert.deepEqual([(await scene.ask({ token: good.text })).status, scene.asked()], [503, 0])
  assert.match(await scene.proxy.log(), /quantum-ip: the state cannot be read: /)
})

test('nginx lets nothing pass that it must ask about where nobody answers', { skip }, async () => {
  await using scene = await openScene()
  const { domain } = scene
  const [many, once] = [await domain.issueOne(), await domain.issueOne({ use: 1 })]
  await scene.writer.write()
  await scene.endVerifier()
  const answers = [await scene.ask({ token: many.text }), await scene.ask({ token: once.text })]
  assert.deepEqual(
    answers.map(({ status, seen }) => [status, seen.raw.length > 0]),
    [
      [200, true],
      [500, false],
    ],
  )
})

test(
  'nginx has the attestation of a build checked, unless the configuration says that it may go unchecked',
  { skip },
  async () => {
    await using scene = await openScene()
    const { domain } = scene
    const { build, att } = await domain.registry.attest()
    const { text } = await domain.issueOne({ bld: build, att })
    await scene.writer.write()
    // The verifier of this test has no attestations to check, and its policy does not take them unchecked.
    assert.deepEqual([(await scene.ask({ token: text })).status, scene.asked()], [403, 1])
    await using lenient = await openScene({ shallow: 'allow' })
    const other = await lenient.domain.registry.attest()
    const token = (await lenient.domain.issueOne({ bld: other.build, att: other.att })).text
    await lenient.writer.write()
    const answer = await lenient.ask({ token })
    assert.deepEqual([answer.status, lenient.asked()], [200, 0])
    assert.match(field(answer, 'Quantum-IP-Status') ?? '', /reason=ok_shallow, action=allow/)
  },
)

test('nginx in monitor mode lets everything through and says what it would have done', { skip }, async () => {
  await using scene = await openScene({ mode: 'monitor' })
  await scene.domain.publish()
  await scene.writer.write()
  const answer = await scene.ask({ fields: ['Quantum-IP-Status', 'status=verified'] })
  assert.equal(
    field(answer, 'Quantum-IP-Status'),
    'status=missing, reason=token_absent, action=allow, mode=monitor',
  )
})
