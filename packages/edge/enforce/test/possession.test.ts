import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { CertificateSource } from '@quantum-ip/point'
import {
  boundTo,
  possessionCases,
  possessionKeys,
  proofFor,
} from '../../../core/verifier/test/possession-cases.ts'
import { ForwardedCertificates } from '../src/gateway/forwarded-certificates.ts'
import { makeCertificate } from './support/certificates.ts'
import { type Scene, openScene } from './support/scene.ts'

async function sceneOf(scene: Scene) {
  const keys = possessionKeys('Ed25519')
  const cnf = boundTo(keys.own)
  const [token, other] = await scene.domain.issue([{ cnf }, { cnf }])
  const nowS = scene.domain.clock.now() / 1_000
  const uri = `http://shop.acme.example/cart`
  return { keys, token: token?.text ?? '', otherToken: other?.text ?? '', uri, nowS }
}

suite('the gateway, for a token that is bound to a key', () => {
  for (const { name, passes, proofs, again } of possessionCases) {
    test(`${passes ? 'passes' : 'refuses'} it with ${name}`, async () => {
      await using scene = await openScene({ listeners: [{ detail: 'internal' }] })
      const possession = await sceneOf(scene)
      const values = await proofs(possession)
      const fields = values.flatMap((value) => ['workload-proof-token', value])
      const ask = { path: '/cart?x=1', token: possession.token, fields }
      if (again === true) assert.equal((await scene.ask(ask)).status, 200)
      const asked = await scene.ask(ask)
      assert.equal(asked.status, passes ? 200 : 401, asked.body)
      assert.equal(asked.problem['reason'], passes ? undefined : 'binding_mismatch')
      if (passes) assert.equal(asked.field('workload-proof-token'), undefined)
    })
  }
})

test('passes proofs for the names that are configured, whatever the Host field says', async () => {
  await using scene = await openScene({ proofAuthorities: ['shop.acme.example'] })
  const possession = await sceneOf(scene)
  const ask = async (uri: string): Promise<number> => {
    const fields = ['workload-proof-token', await proofFor(possession, { uri })]
    return (await scene.ask({ path: '/cart', token: possession.token, fields })).status
  }
  assert.equal(await ask(possession.uri), 200)
  assert.equal(await ask(`http://127.0.0.1:${scene.port}/cart`), 401)
})

const caller = makeCertificate('caller')
const told: Readonly<Record<CertificateSource, readonly string[]>> = {
  xfcc: [
    'x-forwarded-client-cert',
    `Hash=${caller.thumbprint.toString('hex')};URI=spiffe://acme.example/web`,
  ],
  nginx: ['x-ssl-client-verify', 'SUCCESS', 'x-ssl-client-cert', encodeURIComponent(caller.cert)],
  'client-cert': ['client-cert', `:${caller.cert.replaceAll(/-----[A-Z ]+-----|\n/g, '')}:`],
}

for (const [from, fields] of Object.entries(told) as [CertificateSource, readonly string[]][]) {
  test(`takes a certificate from ${from} of a listed proxy, and passes the fields to nobody`, async () => {
    const clientCertificates = { from, peers: ['127.0.0.1'] }
    await using scene = await openScene({ listeners: [{ detail: 'internal', clientCertificates }] })
    const { text: token } = await scene.domain.issueOne({ cnf: { x5tS256: caller.thumbprint } })
    const passed = await scene.ask({ token, fields: [...fields] })
    assert.equal(passed.status, 200, passed.body)
    for (let i = 0; i < fields.length; i += 2) assert.equal(passed.field(fields[i] ?? ''), undefined)
    assert.equal((await scene.ask({ token })).problem['reason'], 'binding_mismatch')
    const twice = await scene.ask({ token, fields: [...fields, ...fields] })
    assert.equal(twice.problem['reason'], 'binding_mismatch')
    const other = await scene.domain.issueOne({ cnf: { x5tS256: new Uint8Array(32) } })
    const wrong = await scene.ask({ token: other.text, fields: [...fields] })
    assert.equal(wrong.problem['reason'], 'binding_mismatch')
  })

  test(`believes nobody else who sends the fields of ${from}, and drops them`, async () => {
    const clientCertificates = { from, peers: ['10.0.0.0/8'] }
    await using scene = await openScene({ listeners: [{ detail: 'internal', clientCertificates }] })
    const bound = await scene.domain.issueOne({ cnf: { x5tS256: caller.thumbprint } })
    const refused = await scene.ask({ token: bound.text, fields: [...fields] })
    assert.equal(refused.problem['reason'], 'binding_mismatch')
    const free = await scene.domain.issueOne()
    const passed = await scene.ask({ token: free.text, fields: [...fields] })
    assert.equal(passed.status, 200)
    for (let i = 0; i < fields.length; i += 2) assert.equal(passed.field(fields[i] ?? ''), undefined)
  })

  test(`without the configuration, the fields of ${from} bind nothing`, async () => {
    await using scene = await openScene({ listeners: [{ detail: 'internal' }] })
    const { text: token } = await scene.domain.issueOne({ cnf: { x5tS256: caller.thumbprint } })
    assert.equal((await scene.ask({ token, fields: [...fields] })).problem['reason'], 'binding_mismatch')
  })
}

test('the certificate of a proxy is not that of its client', async () => {
  const server = makeCertificate('gateway')
  const proxy = makeCertificate('proxy')
  const tls = { key: server.key, cert: server.cert, ca: proxy.cert, clientCertificate: 'require' } as const
  const clientCertificates = { from: 'xfcc', peers: ['127.0.0.1'] } as const
  await using scene = await openScene({ listeners: [{ tls, detail: 'internal', clientCertificates }] })
  const { text: token } = await scene.domain.issueOne({ cnf: { x5tS256: proxy.thumbprint } })
  const asked = await scene.ask({ token, secure: true, ca: server.cert, cert: proxy.cert, key: proxy.key })
  assert.equal(asked.problem['reason'], 'binding_mismatch')
})

test('a peer that is no address is refused', () => {
  const clientCertificates = { from: 'nginx', peers: ['proxy.example'] } as const
  assert.throws(() => new ForwardedCertificates([{ clientCertificates }]), {
    code: 'QIP_ENFORCE_OPTION_INVALID',
  })
})
