import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { hex } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { formatMerkleToken, requestBinding, tracestateHint } from '@quantum-ip/token'
import { type Reason, reasons, type Verdict } from '../src/index.ts'
import { createTestDomain, type TestDomain } from './fixture.ts'

/** One way to come to a verdict. Each has a trust domain of its own. */
interface Case {
  readonly name: string
  readonly reason: Reason
  /** Whether key, head and proof held. Default: no. */
  readonly authenticated?: boolean
  readonly verdict: (domain: TestDomain) => Promise<Verdict> | Verdict
}

const hour = 3_600_000
const thumbprint = sha256(new Uint8Array([1]))
const request = { method: 'GET', authority: 'shop.acme.example', target: '/cart' }

const cases: readonly Case[] = [
  {
    name: 'a good token',
    reason: 'ok',
    authenticated: true,
    verdict: async (d) => d.verifier().verify(d.input((await d.issueOne()).text)),
  },
  {
    name: 'a good token for several services',
    reason: 'ok',
    authenticated: true,
    verdict: async (d) => d.verifier().verify(d.input((await d.issueOne({ aud: [d.web, d.shop] })).text)),
  },
  {
    name: 'a one-time token, the first time',
    reason: 'ok',
    authenticated: true,
    verdict: async (d) => d.verifier().verify(d.input((await d.issueOne({ use: 1 })).text)),
  },
  {
    name: 'a token of the key before, which retires',
    reason: 'ok',
    authenticated: true,
    verdict: async (d) => {
      const { text } = await d.issueOne()
      await d.rotate()
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a token bound to the key and the request that are there',
    reason: 'ok',
    authenticated: true,
    verdict: async (d) => {
      const { text } = await d.issueOne({ cnf: { jkt: thumbprint }, req: requestBinding(request) })
      return d.verifier().verify(d.input(text, { proofKeyThumbprint: thumbprint, request }))
    },
  },
  {
    name: 'a token bound to the content as well',
    reason: 'ok',
    authenticated: true,
    verdict: async (d) => {
      const whole = { ...request, contentDigest: sha256(new Uint8Array([2])) }
      const { text } = await d.issueOne({ req: requestBinding(whole) })
      return d.verifier().verify(d.input(text, { request: whole }))
    },
  },
  {
    name: 'a token for the whole domain, where that is accepted',
    reason: 'ok',
    authenticated: true,
    verdict: async (d) => {
      const { text } = await d.issueOne({ aud: [d.td], cnf: { x5tS256: thumbprint } })
      const bound = { acceptDomainAudience: true, clientCertificateThumbprint: thumbprint }
      return d.verifier().verify(d.input(text, bound))
    },
  },
  {
    name: 'a checked attestation',
    reason: 'ok',
    authenticated: true,
    verdict: async (d) => {
      const { build, att } = await d.registry.attest()
      const attestations = { source: d.registry, deep: 'always' } as const
      const { text } = await d.issueOne({ bld: build, att })
      return d.verifier({ attestations }).verify(d.input(text))
    },
  },
  {
    name: 'an attestation that is not looked at',
    reason: 'ok_shallow',
    authenticated: true,
    verdict: async (d) => {
      const { build, att } = await d.registry.attest()
      return d.verifier().verify(d.input((await d.issueOne({ bld: build, att })).text))
    },
  },
  {
    name: 'a retry by the same named proxy',
    reason: 'ok_retry',
    authenticated: true,
    verdict: async (d) => {
      const verifier = d.verifier({ replay: d.replay({ retryWindowMs: 1_000 }) })
      const input = d.input((await d.issueOne({ use: 1 })).text, { requestId: 'r1', proxy: 'edge-1' })
      await verifier.verify(input)
      return verifier.verify(input)
    },
  },
  { name: 'no field', reason: 'token_absent', verdict: (d) => d.verifier().verify(d.input(undefined)) },
  {
    name: 'no field, and a hint for another audience',
    reason: 'token_absent',
    verdict: (d) => d.verifier().verify(d.input(undefined, { tracestate: `qip=${tracestateHint(d.web)}` })),
  },
  {
    name: 'no field, but the hint that there was one',
    reason: 'token_stripped',
    verdict: (d) =>
      d.verifier().verify(d.input(undefined, { tracestate: `a=1,qip=${tracestateHint(d.shop)}` })),
  },
  {
    name: 'a token that ends too early',
    reason: 'token_truncated',
    verdict: async (d) => d.verifier().verify(d.input((await d.issueOne()).text.slice(0, 100))),
  },
  {
    name: 'an empty field',
    reason: 'token_malformed',
    verdict: (d) => d.verifier().verify(d.input('')),
  },
  {
    name: 'rubbish',
    reason: 'token_malformed',
    verdict: (d) => d.verifier().verify(d.input('Bearer x')),
  },
  {
    name: 'two fields',
    reason: 'token_malformed',
    verdict: async (d) => d.verifier().verify(d.input((await d.issueOne()).text, { tokenCount: 2 })),
  },
  {
    name: 'a field of 64 KB',
    reason: 'token_malformed',
    verdict: (d) => d.verifier().verify(d.input(`qip1.${'A'.repeat(65_536)}`)),
  },
  {
    name: 'a standalone token where only compact ones are accepted',
    reason: 'token_malformed',
    verdict: async (d) => {
      const { text } = await d.issueOne({}, { form: 'standalone' })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a JWT where none are accepted',
    reason: 'token_malformed',
    verdict: async (d) => d.verifier().verify(d.input(await d.issueJwt())),
  },
  {
    name: 'a key ID that nobody has',
    reason: 'key_unknown',
    verdict: async (d) => {
      const token = await d.issueOne()
      return d.verifier().verify(d.input(formatMerkleToken({ ...token, keyId: (token.keyId ^ 1) >>> 0 })))
    },
  },
  {
    name: 'a subject of another trust domain',
    reason: 'key_unknown',
    verdict: async (d) =>
      d.verifier().verify(d.input((await d.issueOne({ sub: 'spiffe://other.example/a' })).text)),
  },
  {
    name: 'a key that is only planned',
    reason: 'key_unknown',
    verdict: async (d) => {
      d.openLog('planned')
      await d.publishBundle()
      return d.verifier().verify(d.input((await d.issueOne()).text))
    },
  },
  {
    name: 'a path with a changed hash',
    reason: 'signature_invalid',
    verdict: async (d) => {
      const [, token] = await d.issue([{}, {}])
      const path = token?.path.map((hash) => hash.map((byte) => byte ^ 1))
      return d.verifier().verify(d.input(formatMerkleToken({ ...token!, path: path ?? [] })))
    },
  },
  {
    name: 'a path that is too long for its place',
    reason: 'signature_invalid',
    verdict: async (d) => {
      const token = await d.issueOne()
      return d.verifier().verify(d.input(formatMerkleToken({ ...token, path: [thumbprint, thumbprint] })))
    },
  },
  {
    name: 'claims that were changed after issuance',
    reason: 'signature_invalid',
    verdict: async (d) => {
      const token = await d.issueOne({ sub: d.web })
      const other = await d.issueOne({ sub: `${d.td}/ns/prod/sa/admin` })
      return d.verifier().verify(d.input(formatMerkleToken({ ...token, claimsBytes: other.claimsBytes })))
    },
  },
  {
    name: 'a standalone token with a forged signature',
    reason: 'signature_invalid',
    verdict: async (d) => {
      const token = await d.issueOne({}, { publish: false })
      const sigs = token.head.sigs.map(({ keyId, signature }) => ({
        keyId,
        signature: signature.map((b) => b ^ 1),
      }))
      const text = formatMerkleToken({ ...token, sigs })
      return d.verifier().verify(d.input(text, { acceptStandalone: true }))
    },
  },
  {
    name: 'a head that no state listed, with the log past it',
    reason: 'head_unknown',
    verdict: async (d) => {
      const { text } = await d.issueOne({}, { publish: false })
      d.hideHeads()
      await d.publish()
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a head that the authority does not have',
    reason: 'head_unknown',
    verdict: async (d) => {
      const { text } = await d.issueOne({}, { publish: false })
      const source = { fetchHead: async () => undefined }
      return d.verifier({ heads: { source } }).verify(d.input(text))
    },
  },
  {
    name: 'a token past its end and the tolerance',
    reason: 'token_expired',
    verdict: async (d) => {
      const { text } = await d.issueOne()
      await d.advance(330_001)
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a token from further ahead than the tolerance',
    reason: 'token_not_yet_valid',
    verdict: async (d) => d.verifier().verify(d.input((await d.issueOne({ iat: d.nowS() + 31 })).text)),
  },
  {
    name: 'a token for another service',
    reason: 'audience_mismatch',
    verdict: async (d) => d.verifier().verify(d.input((await d.issueOne({ aud: [d.web] })).text)),
  },
  {
    name: 'a token for the whole domain, where that is not accepted',
    reason: 'audience_mismatch',
    verdict: async (d) => {
      const { text } = await d.issueOne({ aud: [d.td], cnf: { jkt: thumbprint } })
      return d.verifier().verify(d.input(text, { proofKeyThumbprint: thumbprint }))
    },
  },
  {
    name: 'a token bound to a key that nobody showed',
    reason: 'binding_mismatch',
    authenticated: true,
    verdict: async (d) => d.verifier().verify(d.input((await d.issueOne({ cnf: { jkt: thumbprint } })).text)),
  },
  {
    name: 'a token bound to a certificate, with that thumbprint shown as a key',
    reason: 'binding_mismatch',
    authenticated: true,
    verdict: async (d) => {
      const { text } = await d.issueOne({ cnf: { x5tS256: thumbprint } })
      return d.verifier().verify(d.input(text, { proofKeyThumbprint: thumbprint }))
    },
  },
  {
    name: 'a token bound to another request',
    reason: 'binding_mismatch',
    authenticated: true,
    verdict: async (d) => {
      const { text } = await d.issueOne({ req: requestBinding(request) })
      return d.verifier().verify(d.input(text, { request: { ...request, target: '/cart?x=1' } }))
    },
  },
  {
    name: 'a token bound to a request that cannot be seen',
    reason: 'binding_mismatch',
    authenticated: true,
    verdict: async (d) =>
      d.verifier().verify(d.input((await d.issueOne({ req: requestBinding(request) })).text)),
  },
  {
    name: 'a one-time token, the second time',
    reason: 'token_replayed',
    authenticated: true,
    verdict: async (d) => {
      const verifier = d.verifier()
      const input = d.input((await d.issueOne({ use: 1 })).text)
      await verifier.verify(input)
      return verifier.verify(input)
    },
  },
  {
    name: 'a key that is revoked',
    reason: 'key_revoked',
    verdict: async (d) => {
      const { text } = await d.issueOne()
      await d.revoke({ kind: 'key', value: d.key('issuer/1').record.key.kid })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a key that is compromised',
    reason: 'key_revoked',
    verdict: async (d) => {
      const { text } = await d.issueOne()
      await d.setKeyState('issuer/1', 'compromised')
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a key that has retired',
    reason: 'key_revoked',
    verdict: async (d) => {
      const { text } = await d.issueOne()
      await d.rotate()
      await d.setKeyState('issuer/1', 'retired')
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a chain with a hop of a compromised key',
    reason: 'key_revoked',
    verdict: async (d) => {
      await d.rotate()
      await d.setKeyState('issuer/1', 'compromised')
      const chn = [{ sid: d.web, attLog: 0, attIndex: 0, log: 1, index: 5 }]
      return d.verifier().verify(d.input((await d.issueOne({ chn })).text))
    },
  },
  {
    name: 'a token that is revoked by its digest',
    reason: 'token_revoked',
    verdict: async (d) => {
      const { text, digest } = await d.issueOne()
      await d.revoke({ kind: 'token', value: hex(digest) })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a token that is revoked by its place',
    reason: 'token_revoked',
    verdict: async (d) => {
      const { text, log, index } = await d.issueOne()
      await d.revoke({ kind: 'token', value: String(index), log })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a token in a range that is revoked',
    reason: 'token_revoked',
    verdict: async (d) => {
      const { text, log } = await d.issueOne()
      await d.revoke({ kind: 'range', value: '1000', log, from: 0 })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a chain with a token that is revoked',
    reason: 'token_revoked',
    verdict: async (d) => {
      const { log, index } = await d.issueOne()
      const chn = [{ sid: d.web, attLog: 0, attIndex: 0, log: 1, index }]
      const { text } = await d.issueOne({ chn })
      await d.revoke({ kind: 'token', value: String(index), log })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a caller that is revoked',
    reason: 'identity_revoked',
    verdict: async (d) => {
      const { text } = await d.issueOne()
      await d.revoke({ kind: 'identity', value: d.web })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a chain with a service that is revoked',
    reason: 'identity_revoked',
    verdict: async (d) => {
      const sid = `${d.td}/ns/prod/sa/first`
      const { text } = await d.issueOne({ chn: [{ sid, attLog: 0, attIndex: 0, log: 1, index: 9 }] })
      await d.revoke({ kind: 'identity', value: sid })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a build that is revoked',
    reason: 'build_revoked',
    verdict: async (d) => {
      const { text } = await d.issueOne({ bld: thumbprint })
      await d.revoke({ kind: 'build', value: hex(thumbprint) })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'an attestation that is revoked by its place',
    reason: 'build_revoked',
    verdict: async (d) => {
      const { build, att, index } = await d.registry.attest()
      const { text } = await d.issueOne({ bld: build, att })
      await d.revoke({ kind: 'token', value: String(index), log: d.registry.origin })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a chain with an attestation whose build is revoked',
    reason: 'build_revoked',
    authenticated: true,
    verdict: async (d) => {
      const { build, index } = await d.registry.attest()
      const chn = [{ sid: d.web, attLog: 1, attIndex: index, log: 1, index: 9 }]
      const { text } = await d.issueOne({ chn })
      await d.revoke({ kind: 'build', value: hex(build) })
      const attestations = { source: d.registry, deep: 'always' } as const
      return d.verifier({ attestations }).verify(d.input(text))
    },
  },
  {
    name: 'an attestation of another build',
    reason: 'attestation_invalid',
    authenticated: true,
    verdict: async (d) => {
      const { att } = await d.registry.attest()
      const { text } = await d.issueOne({ bld: thumbprint, att })
      const attestations = { source: d.registry, deep: 'always' } as const
      return d.verifier({ attestations }).verify(d.input(text))
    },
  },
  {
    name: 'an attestation that the registry does not have',
    reason: 'attestation_invalid',
    authenticated: true,
    verdict: async (d) => {
      const { text } = await d.issueOne({ bld: thumbprint, att: [1, 77] })
      const attestations = { source: d.registry, deep: 'always' } as const
      return d.verifier({ attestations }).verify(d.input(text))
    },
  },
  {
    name: 'a trust state that is too old, and a good token',
    reason: 'trust_stale',
    authenticated: true,
    verdict: async (d) => {
      const { text } = await d.issueOne({ exp: d.nowS() + 900 })
      await d.advance(300_001, { publish: false })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a trust state that is too old to say that there is no such key',
    reason: 'trust_stale',
    verdict: async (d) => {
      const token = await d.issueOne({ exp: d.nowS() + 900 })
      await d.advance(300_001, { publish: false })
      return d.verifier().verify(d.input(formatMerkleToken({ ...token, keyId: (token.keyId ^ 1) >>> 0 })))
    },
  },
  {
    name: 'a head that is not held, and nobody to ask',
    reason: 'head_unavailable',
    verdict: async (d) => {
      const { text } = await d.issueOne({}, { publish: false })
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'a head that is not held, and an authority that is away',
    reason: 'head_unavailable',
    verdict: async (d) => {
      const { text } = await d.issueOne({}, { publish: false })
      const source = { fetchHead: () => Promise.reject(new Error('away')) }
      return d.verifier({ heads: { source } }).verify(d.input(text))
    },
  },
  {
    name: 'a registry that is away',
    reason: 'attestation_unavailable',
    authenticated: true,
    verdict: async (d) => {
      const { build, att } = await d.registry.attest()
      const { text } = await d.issueOne({ bld: build, att })
      d.registry.isDown = true
      const attestations = { source: d.registry, deep: 'always' } as const
      return d.verifier({ attestations }).verify(d.input(text))
    },
  },
  {
    name: 'a registry that is away, and a check that is no longer fresh',
    reason: 'attestation_stale',
    authenticated: true,
    verdict: async (d) => {
      const { build, att } = await d.registry.attest()
      const verifier = d.verifier({ attestations: { source: d.registry, deep: 'always', freshMs: hour } })
      const claims = { bld: build, att }
      await verifier.verify(d.input((await d.issueOne(claims)).text))
      await d.advance(hour)
      d.registry.isDown = true
      return verifier.verify(d.input((await d.issueOne(claims)).text))
    },
  },
  {
    name: 'a one-time token where nobody remembers any',
    reason: 'replay_unavailable',
    authenticated: true,
    verdict: async (d) =>
      d.verifier({ replay: undefined }).verify(d.input((await d.issueOne({ use: 1 })).text)),
  },
  {
    name: 'a one-time token from before the start',
    reason: 'replay_unavailable',
    authenticated: true,
    verdict: async (d) => {
      const { text } = await d.issueOne({ use: 1 })
      await d.advance(1_000)
      return d.verifier().verify(d.input(text))
    },
  },
  {
    name: 'one waiting verification more than there may be',
    reason: 'overloaded',
    verdict: async (d) => {
      const { text } = await d.issueOne({}, { publish: false })
      const source = { fetchHead: () => new Promise<undefined>(() => {}) }
      const verifier = d.verifier({ heads: { source }, pendingMax: 1 })
      void verifier.verify(d.input(text))
      return verifier.verify(d.input(text))
    },
  },
]

const reached = new Set<Reason>()

for (const { name, reason, authenticated = false, verdict } of cases) {
  test(`answers ${reason} to ${name}`, async () => {
    const domain = await createTestDomain()
    const got = await verdict(domain)
    assert.equal(got.reason, reason)
    assert.equal(got.authenticated, authenticated)
    if (!authenticated) {
      const { identity, build, attestation, chain, deep } = got
      assert.deepEqual(
        { identity, build, attestation, chain, deep },
        {
          identity: undefined,
          build: undefined,
          attestation: undefined,
          chain: undefined,
          deep: false,
        },
      )
    } else {
      assert.equal(got.claimedSubject, undefined)
      assert.equal(got.identity, domain.web)
    }
    reached.add(got.reason)
  })
}

after(() => {
  assert.deepEqual(
    reasons.filter((reason) => !reached.has(reason)),
    [],
    'every reason of the table is reached by a case',
  )
})
