import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createSelfSignedCertificate } from '@quantum-ip/http'
import { parseStatus } from '@quantum-ip/token'
import { needComponent, runComponent } from '../../../../scripts/real-components.ts'
import { type Scene, type Seen, openScene } from './support/scene.ts'

const curl = await needComponent('curl')
const openssl = await needComponent('openssl')

/** A gateway with TLS, and what a client needs to reach it. */
interface SecureScene extends AsyncDisposable {
  readonly scene: Scene
  readonly caFile: string
  readonly url: string
  /** Runs curl, for which the gateway's host has an address. */
  curl(
    ...args: readonly string[]
  ): Promise<{ readonly text: string; readonly stderr: string; readonly status: number | null }>
}

async function openSecure(): Promise<SecureScene> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-curl-'))
  const { certificate, key } = createSelfSignedCertificate({ names: ['shop.acme.example', '127.0.0.1'] })
  const caFile = join(folder, 'ca.pem')
  await writeFile(caFile, certificate)
  const scene = await openScene({
    listeners: [{ tls: { key, cert: certificate }, detail: 'internal' }],
    route: { accept: { jwt: true } },
  })
  const url = `https://shop.acme.example:${scene.port}`
  const resolve = ['--resolve', `shop.acme.example:${scene.port}:127.0.0.1`]
  return {
    scene,
    caFile,
    url,
    async curl(...args) {
      const { stdout, stderr, status } = await runComponent(curl, ['-sS', ...resolve, ...args])
      return { text: stdout.toString(), stderr, status }
    },
    async [Symbol.asyncDispose]() {
      await scene[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}

const versions = [
  ['--http1.1', '1.1'],
  ['--http2', '2'],
] as const
const told = ['-w', '\n%{http_version} %{http_code}']

for (const [flag, version] of versions) {
  test(`curl over HTTP/${version} with TLS gets what its token allows`, { skip: curl.skip }, async () => {
    await using secure = await openSecure()
    const { domain } = secure.scene
    const compact = await domain.issueOne()
    for (const token of [compact.text, await domain.issueJwt()]) {
      const fields = ['-H', `Quantum-IP: ${token}`, '-H', `Quantum-IP-Head: ${compact.staple}`]
      const sent = [...told, ...fields, '-d', 'some=thing', `${secure.url}/cart?x=1`]
      const { text, stderr } = await secure.curl(flag, '--cacert', secure.caFile, ...sent)
      const [body = '', end] = text.split('\n')
      assert.equal(end, `${version} 200`, stderr)
      const seen = JSON.parse(body) as Seen
      assert.deepEqual([seen.method, seen.url, seen.body], ['POST', '/cart?x=1', 'some=thing'])
      const names = seen.raw.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
      assert.ok(!names.includes('quantum-ip') && !names.includes('quantum-ip-head'))
      const status = parseStatus(seen.raw[2 * names.indexOf('quantum-ip-status') + 1] ?? '')
      assert.deepEqual([status.status, status.sub], ['verified', domain.web])
    }
  })

  test(`curl over HTTP/${version} is told what is wrong with its token`, { skip: curl.skip }, async () => {
    await using secure = await openSecure()
    const token = await secure.scene.domain.issueOne()
    const asked = [flag, '--cacert', secure.caFile, '-i', '-H']
    const { text, stderr } = await secure.curl(
      ...asked,
      `Quantum-IP: ${token.text.slice(0, 90)}`,
      `${secure.url}/cart`,
    )
    assert.match(text, new RegExp(`^HTTP/${version} 401`), stderr)
    assert.match(text, /^www-authenticate: Quantum-IP .*error="token_truncated"/im)
    assert.match(text, /^content-type: application\/problem\+json/im)
    assert.match(text, /"reason":"token_truncated"/)
  })

  test(`curl over HTTP/${version} gets the head alone when it asks for it`, { skip: curl.skip }, async () => {
    await using secure = await openSecure()
    const token = await secure.scene.domain.issueOne()
    const sent = ['-I', '-H', `Quantum-IP: ${token.text}`, `${secure.url}/cart`]
    const { text, stderr, status } = await secure.curl(flag, '--cacert', secure.caFile, ...sent)
    assert.equal(status, 0, stderr)
    assert.match(text, new RegExp(`^HTTP/${version} 200`))
  })

  test(`curl over HTTP/${version} uses one connection for many requests`, { skip: curl.skip }, async () => {
    await using secure = await openSecure()
    const token = await secure.scene.domain.issueOne()
    const three = ['/a', '/b', '/c'].flatMap((path) => ['-o', '/dev/null', `${secure.url}${path}`])
    const said = ['-w', '%{http_code} %{num_connects}\n', '-H', `Quantum-IP: ${token.text}`]
    const { text } = await secure.curl(flag, '--cacert', secure.caFile, ...said, ...three)
    assert.equal(text, '200 1\n200 0\n200 0\n')
  })
}

test('no spelling of a spoofed status passes over HTTP/2', { skip: curl.skip }, async () => {
  await using secure = await openSecure()
  const token = await secure.scene.domain.issueOne()
  const spoofed = [
    'Quantum-IP-Status',
    'quantum_ip_status',
    'QUANTUM_IP-STATUS',
    'quantum.ip.status',
    'quantum-ip_status',
  ]
  const fields = ['-H', `Quantum-IP: ${token.text}`, ...spoofed.flatMap((name) => ['-H', `${name}: spoofed`])]
  const { text, stderr } = await secure.curl(
    '--http2',
    '--cacert',
    secure.caFile,
    ...fields,
    `${secure.url}/cart`,
  )
  const { raw } = JSON.parse(text) as Seen
  const statuses = raw.filter((name, i) => i % 2 === 0 && /^quantum.ip.status$/i.test(name))
  assert.deepEqual(
    statuses.map((name) => name.toLowerCase()),
    ['quantum-ip-status'],
    stderr,
  )
  assert.doesNotMatch(text, /spoofed/)
})

// Exit codes of curl: 35 the handshake failed, 60 the certificate is not trusted.
const failures: readonly (readonly [
  title: string,
  status: number,
  args: (secure: SecureScene) => readonly string[],
])[] = [
  ['does not trust the certificate', 60, () => []],
  ['speaks TLS 1.2 at most', 35, ({ caFile }) => ['--cacert', caFile, '--tls-max', '1.2']],
  ['knows no group that the gateway knows', 35, ({ caFile }) => ['--cacert', caFile, '--curves', 'P-521']],
]
for (const [title, status, args] of failures) {
  test(`curl that ${title} gets no connection`, { skip: curl.skip }, async () => {
    await using secure = await openSecure()
    const { scene } = secure
    const asked = await secure.curl(...args(secure), `${secure.url}/cart`)
    assert.equal(asked.status, status, asked.stderr)
    assert.equal(scene.records.length, 0)
  })
}

test('openssl s_client agrees on the best group that it knows', { skip: openssl.skip }, async (t) => {
  await using secure = await openSecure()
  const address = `127.0.0.1:${secure.scene.port}`
  const call = ['s_client', '-connect', address, '-CAfile', secure.caFile, '-verify_return_error', '-tls1_3']
  const { stdout, stderr, status } = await runComponent(openssl, call, { input: 'Q\n' })
  const said = `${stdout.toString()}${stderr}`
  assert.equal(status, 0, said)
  assert.match(said, /Verify return code: 0 \(ok\)/)
  // X25519MLKEM768 came with OpenSSL 3.5.
  const [, major = 0, minor = 0] = (/^OpenSSL (\d+)\.(\d+)/.exec(openssl.version) ?? []).map(Number)
  const isHybrid = major > 3 || (major === 3 && minor >= 5)
  t.diagnostic(`${openssl.version}: ${isHybrid ? 'X25519MLKEM768' : 'X25519'}`)
  if (isHybrid) assert.match(said, /Negotiated TLS1\.3 group: X25519MLKEM768/)
  else assert.match(said, /Server Temp Key: X25519, 253 bits/)
})
