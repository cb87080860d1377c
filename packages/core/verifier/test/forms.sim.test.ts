import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatReferenceToken } from '@quantum-ip/token'
import { createTestDomain, type TestDomain, type TestToken } from './fixture.ts'

test('verifies the JWT form, and remembers it like any other', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const input = domain.input(await domain.issueJwt(), { acceptJwt: true })
  const verdict = await verifier.verify(input)
  assert.equal(verdict.reason, 'ok')
  assert.equal(verdict.form, 'jwt')
  assert.equal(verdict.identity, domain.web)
  assert.deepEqual([verdict.token?.log, verdict.token?.index], [domain.log.origin, 1])
  const second = verifier.verify(input)
  assert.ok(!(second instanceof Promise))
  assert.deepEqual([second.reason, second.timings.path, verifier.recheck(second)], ['ok', 'cached', 'ok'])
  await domain.revoke({ kind: 'token', value: '1', log: domain.log.origin })
  assert.equal((await verifier.verify(input)).reason, 'token_revoked')
  assert.equal(verifier.recheck(second), 'token_revoked')
})

test('gives a JWT the reasons that any token gets', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const jwt = await domain.issueJwt()
  const [header = '', payload = '', signature = ''] = jwt.split('.')
  const reason = async (text: string, changes = {}) =>
    (await verifier.verify(domain.input(text, { acceptJwt: true, ...changes }))).reason
  const changed = payload.startsWith('eyJpc3Mi')
    ? Buffer.from(payload, 'base64url').toString().replace('/sa/web', '/sa/wex')
    : ''
  assert.equal(
    await reason(`${header}.${Buffer.from(changed).toString('base64url')}.${signature}`),
    'signature_invalid',
  )
  assert.equal(await reason(`${header}.${payload}.${'A'.repeat(signature.length)}`), 'signature_invalid')
  assert.equal(await reason(jwt.slice(0, -100)), 'token_truncated')
  assert.equal(await reason(`${header}.${payload}`), 'token_truncated')
  assert.equal(await reason(jwt, { audience: domain.web }), 'audience_mismatch')
  assert.equal(
    await reason(await domain.issueJwt({ iat: domain.nowS() - 400, exp: domain.nowS() - 350 })),
    'token_expired',
  )
  const once = await domain.issueJwt({ use: 1 })
  assert.equal(await reason(once), 'ok')
  assert.equal(await reason(once), 'token_replayed')
  await domain.setKeyState('jwt', 'compromised')
  assert.equal(await reason(jwt), 'key_revoked')
})

test('knows no JWT of a key that signs something else', async () => {
  const domain = await createTestDomain()
  const jwt = await domain.issueJwt()
  const other = await createTestDomain({ seed: 'other' })
  const { reason } = await other.verifier().verify(other.input(jwt, { acceptJwt: true }))
  assert.equal(reason, 'key_unknown')
})

function references(domain: TestDomain, tokens: Map<string, string>) {
  const asked: string[] = []
  const source = {
    resolveReference: async (reference: string) => {
      asked.push(reference)
      return tokens.get(reference)
    },
  }
  const verifier = domain.verifier({ references: { source, fetchesPerS: 10 } })
  const verdict = (text: string, changes = {}) =>
    verifier.verify(domain.input(text, { acceptReference: true, ...changes }))
  return { asked, verdict, verifier }
}

function referenceTo({ keyId }: TestToken, n: number): string {
  return formatReferenceToken({ keyId, handle: new Uint8Array(16).fill(n) })
}

test('resolves a reference once, and remembers it', async () => {
  const domain = await createTestDomain()
  const token = await domain.issueOne()
  const reference = referenceTo(token, 1)
  const { asked, verdict } = references(domain, new Map([[reference, token.text]]))
  const both = await Promise.all([verdict(reference), verdict(reference)])
  assert.deepEqual(
    both.map(({ reason, form }) => [reason, form]),
    [
      ['ok', 'reference'],
      ['ok', 'reference'],
    ],
  )
  const third = verdict(reference)
  assert.ok(!(third instanceof Promise))
  assert.equal(third.timings.path, 'cached')
  assert.deepEqual(asked, [reference])
  assert.equal((await verdict(reference, { audience: domain.web })).reason, 'audience_mismatch')
  assert.equal((await verdict(reference, { acceptReference: false })).reason, 'token_malformed')
})

test('accepts a one-time token by reference once', async () => {
  const domain = await createTestDomain()
  const tokens = new Map<string, string>()
  const { verdict } = references(domain, tokens)
  const token = await domain.issueOne({ use: 1 })
  const reference = referenceTo(token, 1)
  tokens.set(reference, token.text)
  assert.equal((await verdict(reference)).reason, 'ok')
  assert.equal((await verdict(reference)).reason, 'token_replayed')
  assert.equal((await verdict(token.text)).reason, 'token_replayed', 'nor the token itself')
})

test('asks nobody about a reference of an unknown key, and believes no answer of another one', async () => {
  const domain = await createTestDomain()
  const token = await domain.issueOne()
  await domain.rotate()
  const later = await domain.issueOne()
  const mixed = referenceTo(later, 1)
  const unknown = formatReferenceToken({ keyId: (token.keyId ^ 1) >>> 0, handle: new Uint8Array(16) })
  const nothing = referenceTo(later, 2)
  const answers = new Map([
    [mixed, token.text],
    [unknown, token.text],
    [nothing, 'rubbish'],
  ])
  const { asked, verdict } = references(domain, answers)
  assert.equal((await verdict(unknown)).reason, 'key_unknown')
  assert.equal((await verdict(`${unknown}A`)).reason, 'token_malformed')
  assert.deepEqual(asked, [])
  assert.equal((await verdict(mixed)).reason, 'head_unavailable')
  assert.equal((await verdict(nothing)).reason, 'head_unavailable')
})

test('tells a reference that does not exist from an authority that is away', async () => {
  const domain = await createTestDomain()
  const token = await domain.issueOne()
  const { asked, verdict } = references(domain, new Map())
  assert.equal((await verdict(referenceTo(token, 1))).reason, 'signature_invalid')
  assert.equal((await verdict(referenceTo(token, 1))).reason, 'signature_invalid')
  assert.equal(asked.length, 1, 'the no counts for a second')
  for (let n = 2; n < 30; n++) await verdict(referenceTo(token, n))
  assert.equal(asked.length, 10, 'so many a second')
  assert.equal((await verdict(referenceTo(token, 99))).reason, 'head_unavailable')
  const source = { resolveReference: () => Promise.reject(new Error('away')) }
  const verifier = domain.verifier({ references: { source } })
  const input = domain.input(referenceTo(token, 1), { acceptReference: true })
  assert.equal((await verifier.verify(input)).reason, 'head_unavailable')
})

test('reads what the token says about build, chain and life into the verdict', async () => {
  const domain = await createTestDomain()
  const chn = [
    { sid: `${domain.td}/first`, attLog: 1, attIndex: 7, log: 1, index: 3 },
    { sid: `${domain.td}/second`, attLog: 0, attIndex: 0, log: 1, index: 4 },
  ]
  const bld = domain.random.bytes(32)
  const { text, claims, digest, index } = await domain.issueOne({ bld, bev: 3, att: [1, 8], chn })
  const verdict = await domain.verifier().verify(domain.input(text))
  assert.equal(verdict.reason, 'ok_shallow')
  assert.deepEqual(verdict.build, { digest: bld, evidence: 'hardware' })
  assert.deepEqual(verdict.attestation, { log: 'acme.example/attestations/1', index: 8 })
  assert.deepEqual(
    verdict.chain?.map(({ sid, attestationLog, attestationIndex, log, index: at }) => [
      sid,
      attestationLog,
      attestationIndex,
      log,
      at,
    ]),
    chn.map((hop) => [hop.sid, hop.attLog, hop.attIndex, hop.log, hop.index]),
  )
  assert.deepEqual(
    [verdict.token?.log, verdict.token?.index, verdict.token?.digest],
    ['acme.example/tokens/1', index, digest],
  )
  assert.deepEqual([verdict.issuedS, verdict.expiresS], [claims.iat, claims.exp])
  assert.deepEqual([verdict.deep, verdict.oneTime, verdict.binding], [false, false, 'none'])
})
