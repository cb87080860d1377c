import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runPossessionCases } from '../../../core/verifier/test/possession-point.ts'
import { makeCertificate } from './support/certificates.ts'
import { type About, openExtAuthzScene } from './support/ext-authz-scene.ts'

runPossessionCases('ext_authz over gRPC', async () => {
  const scene = await openExtAuthzScene()
  const { domain } = scene
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
      const fields = proofs.flatMap((proof) => ['workload-proof-token', proof])
      const { code, metadata, headers, removed } = await scene.ask({ token, fields })
      if (code === 0) assert.ok(removed.includes('workload-proof-token'))
      const seen = headers['workload-proof-token']
      return { passes: code === 0, reason: metadata['reason'], seen: seen === undefined ? [] : [seen] }
    },
    [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose](),
  }
})

const caller = makeCertificate('caller', 'spiffe://acme.example/ns/prod/sa/web')

test('reads the certificate of the client where it is told to, and nowhere else', async () => {
  const pem = encodeURIComponent(caller.cert)
  const element = ['x-forwarded-client-cert', `Hash=${caller.thumbprint.toString('hex')}`]
  const verdict = async (from: 'peer' | 'xfcc' | undefined, about: About): Promise<unknown> => {
    await using scene = await openExtAuthzScene({ clientCertificates: from })
    const { text: token } = await scene.domain.issueOne({ cnf: { x5tS256: caller.thumbprint } })
    const answer = await scene.ask({ token, ...about })
    if (answer.code === 0) assert.equal(answer.removed.includes('x-forwarded-client-cert'), from === 'xfcc')
    return answer.metadata['reason']
  }
  assert.equal(await verdict('peer', { certificate: pem }), 'ok')
  assert.equal(await verdict('xfcc', { fields: element }), 'ok')
  assert.equal(await verdict('peer', { fields: element }), 'binding_mismatch')
  assert.equal(await verdict('xfcc', { certificate: pem }), 'binding_mismatch')
  assert.equal(await verdict('xfcc', { fields: [...element, ...element] }), 'binding_mismatch')
  assert.equal(await verdict(undefined, { certificate: pem, fields: element }), 'binding_mismatch')
})
