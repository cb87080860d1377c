import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CertificateSource } from '@quantum-ip/point'
import { runPossessionCases } from '../../../core/verifier/test/possession-point.ts'
import { CaseWorld } from './support/case-world.ts'
import { makeCertificate } from './support/certificates.ts'
import { openForwardCases } from './support/forward-cases.ts'
import { type Asked, ask } from './support/scene.ts'
import type { ListenerOptions } from '../src/index.ts'

interface Scene extends AsyncDisposable {
  readonly world: CaseWorld
  /** Asks about `GET https://shop.acme.example/cart?x=1`, as nginx is told to. */
  original(token: string, fields?: readonly string[]): Promise<Asked>
}

async function openScene(listener?: ListenerOptions): Promise<Scene> {
  await using opened = new AsyncDisposableStack()
  const world = opened.use(await CaseWorld.open())
  await world.begin()
  const { port } = opened.use(await openForwardCases(world, listener))
  const told = ['X-Original-URI', '/cart?x=1', 'X-Original-Method', 'GET']
  told.push('X-Original-Host', 'shop.acme.example', 'X-Original-Proto', 'https')
  const closing = opened.move()
  return {
    world,
    original: (token, fields = []) => ask(port, { path: '/original', token, fields: [...told, ...fields] }),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

runPossessionCases('forward authentication', async () => {
  const scene = await openScene()
  const { domain, reasons } = scene.world
  return {
    uri: 'https://shop.acme.example/cart',
    get nowS() {
      return domain.clock.now() / 1_000
    },
    async issue(cnf) {
      const [one, other] = await domain.issue([{ cnf }, { cnf }])
      return [one?.text ?? '', other?.text ?? '']
    },
    async send(token, proofs) {
      const { status, headers } = await scene.original(
        token,
        proofs.flatMap((proof) => ['Workload-Proof-Token', proof]),
      )
      assert.equal(headers['workload-proof-token'], undefined)
      return { passes: status === 200, reason: reasons.at(-1) }
    },
    [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose](),
  }
})

const caller = makeCertificate('caller')
const told: Readonly<Record<CertificateSource, readonly string[]>> = {
  xfcc: ['X-Forwarded-Client-Cert', `Hash=${caller.thumbprint.toString('hex')};URI=`],
  nginx: ['X-SSL-Client-Verify', 'SUCCESS', 'X-SSL-Client-Cert', encodeURIComponent(caller.cert)],
  'client-cert': ['Client-Cert', `:${caller.cert.replaceAll(/-----[A-Z ]+-----|\n/g, '')}:`],
}
const sources = Object.keys(told) as CertificateSource[]

for (const from of sources) {
  const others = sources.filter((each) => each !== from)

  test(`forward authentication takes a certificate from ${from} of a listed proxy, once, and of no other source`, async () => {
    await using scene = await openScene({ clientCertificates: { from, peers: ['127.0.0.1'] } })
    const { domain, reasons } = scene.world
    const { text } = await domain.issueOne({ cnf: { x5tS256: caller.thumbprint } })
    const passed = await scene.original(text, told[from])
    assert.equal(passed.status, 200, passed.body)
    for (const fields of [[], [...told[from], ...told[from]], ...others.map((other) => told[other])]) {
      assert.equal((await scene.original(text, fields)).status, 401)
      assert.equal(reasons.at(-1), 'binding_mismatch')
    }
    const wrong = await domain.issueOne({ cnf: { x5tS256: new Uint8Array(32) } })
    assert.equal((await scene.original(wrong.text, told[from])).status, 401)
  })

  test(`forward authentication believes nobody about ${from} who may ask and is not listed for it`, async () => {
    for (const clientCertificates of [undefined, { from, peers: ['10.0.0.0/8'] }]) {
      await using scene = await openScene(clientCertificates && { clientCertificates })
      const { text } = await scene.world.domain.issueOne({ cnf: { x5tS256: caller.thumbprint } })
      assert.equal((await scene.original(text, told[from])).status, 401)
      assert.equal(scene.world.reasons.at(-1), 'binding_mismatch')
    }
  })
}
