import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSelfSignedCertificate } from '@quantum-ip/http'
import { parseStatus, tracestateHint } from '@quantum-ip/token'
import { needComponent, runComponent } from '../../../../scripts/real-components.ts'
import { type HaproxyOptions, openHaproxy, type RealProxy } from './support/real-proxies.ts'
import { type Asked, type AskOptions, type Scene, ask, openScene } from './support/scene.ts'

const haproxy = await needComponent('haproxy')
const curl = await needComponent('curl')
const skip = haproxy.skip

/** HAProxy with its defaults before a gateway before an echo. */
interface Front extends AsyncDisposable {
  readonly scene: Scene
  readonly haproxy: RealProxy
  ask(options?: AskOptions): Promise<Asked>
}

async function openFront(
  options: Partial<HaproxyOptions> & { readonly http2?: boolean } = {},
): Promise<Front> {
  const { http2 = false, ...rest } = options
  const scene = await openScene({
    listeners: [{ detail: 'internal', http2 }],
    route: { accept: { jwt: true } },
  })
  const server = `127.0.0.1:${scene.port} ${http2 ? 'proto h2' : ''}`
  const front = await openHaproxy(haproxy, { ...rest, server })
  return {
    scene,
    haproxy: front,
    ask: (asked) => ask(front.port, asked),
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]()
      await scene[Symbol.asyncDispose]()
    },
  }
}

for (const http2 of [false, true]) {
  const how = http2 ? 'over HTTP/2' : 'over HTTP/1.1'
  test(
    `HAProxy with its defaults passes tokens of both forms, with a staple and a large cookie, ${how}`,
    { skip },
    async () => {
      await using front = await openFront({ http2 })
      const { domain } = front.scene
      const compact = await domain.issueOne()
      for (const token of [compact.text, await domain.issueJwt()]) {
        const asked = await front.ask({
          token,
          fields: ['Quantum-IP-Head', compact.staple, 'cookie', `a=${'x'.repeat(4_000)}`],
        })
        assert.equal(asked.status, 200, asked.body)
        assert.equal(parseStatus(asked.field('quantum-ip-status') ?? '').status, 'verified')
      }
    },
  )

  test(`no spelling of a spoofed status passes HAProxy and gateway, ${how}`, { skip }, async () => {
    await using front = await openFront({ http2 })
    const token = await front.scene.domain.issueOne()
    const spoofed = ['Quantum-IP-Status', 'quantum_ip_status', 'QUANTUM_IP-STATUS', 'quantum.ip.status']
    for (const name of spoofed) {
      const asked = await front.ask({ token: token.text, fields: [name, 'status=verified;sub="spoofed"'] })
      assert.equal(asked.status, 200, name)
      assert.doesNotMatch(asked.body, /spoofed/, name)
      const names = asked.seen.raw.filter((_, i) => i % 2 === 0).map((each) => each.toLowerCase())
      const statuses = names.filter((each) => each.replaceAll(/[^a-z]/g, '-') === 'quantum-ip-status')
      assert.deepEqual(statuses, ['quantum-ip-status'], name)
    }
  })
}

const losses: readonly (readonly [title: string, rules: string, hint: boolean, reason: string])[] = [
  ['drops the token', 'http-request del-header quantum-ip', false, 'token_absent'],
  ['drops the token, and leaves the hint', 'http-request del-header quantum-ip', true, 'token_stripped'],
  [
    'drops all that is ours, and leaves the hint',
    'http-request del-header quantum-ip -m beg',
    true,
    'token_stripped',
  ],
  [
    'cuts the token',
    String.raw`http-request replace-header quantum-ip '^(.{150}).*$' '\1'`,
    true,
    'token_truncated',
  ],
  [
    'doubles the token',
    'http-request add-header quantum-ip %[req.hdr(quantum-ip)]',
    false,
    'token_malformed',
  ],
  [
    'joins the token with another value',
    String.raw`http-request replace-header quantum-ip '^(.*)$' '\1, \1'`,
    false,
    'token_malformed',
  ],
]
for (const [title, rules, hint, reason] of losses) {
  test(`HAProxy that ${title}: ${reason}`, { skip }, async () => {
    await using front = await openFront({ rules })
    const { domain, records } = front.scene
    const token = await domain.issueOne()
    const fields = [
      'Quantum-IP-Head',
      token.staple,
      ...(hint ? ['tracestate', `qip=${tracestateHint(domain.shop)}`] : []),
    ]
    const asked = await front.ask({ token: token.text, fields })
    assert.equal(asked.status, 401)
    assert.equal(records[0]?.reason, reason)
    assert.match(String(asked.headers['www-authenticate']), new RegExp(`error="${reason}"`))
  })
}

test('HAProxy takes 15 KB of head, and refuses more before the gateway sees it', { skip }, async () => {
  await using front = await openFront()
  const token = await front.scene.domain.issueJwt()
  assert.equal((await front.ask({ token, fields: ['cookie', `a=${'x'.repeat(10_000)}`] })).status, 200)
  assert.equal((await front.ask({ token, fields: ['cookie', `a=${'x'.repeat(12_500)}`] })).status, 400)
  assert.equal(front.scene.records.length, 1)
})

test('HAProxy that ends TLS and HTTP/2 passes a JWT on', { skip: skip || curl.skip }, async () => {
  const { certificate, key } = createSelfSignedCertificate({ names: ['shop.acme.example'] })
  await using front = await openFront({
    http2: true,
    bind: 'ssl crt both.pem alpn h2',
    files: { 'both.pem': `${certificate}${key}` },
  })
  const { port, folder } = front.haproxy
  const token = await front.scene.domain.issueJwt()
  const secure = [
    '--http2',
    '--cacert',
    `${folder}/both.pem`,
    '--resolve',
    `shop.acme.example:${port}:127.0.0.1`,
  ]
  const told = ['-sS', '-o', '/dev/null', '-w', '%{http_version} %{http_code}']
  const sent = ['-H', `Quantum-IP: ${token}`, '-d', 'some=thing', `https://shop.acme.example:${port}/cart`]
  const { stdout, stderr } = await runComponent(curl, [...secure, ...told, ...sent])
  assert.equal(stdout.toString(), '2 200', stderr)
})
