import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { formatMerkleToken } from '@quantum-ip/token'
import type { Reason, Verdict, Verifier } from '../src/index.ts'
import { createTestDomain, type TestDomain } from './fixture.ts'

const bytes = sha256(new Uint8Array([1]))

/** A verdict that is there at once. */
function now(verdict: Verdict | Promise<Verdict>): Verdict {
  assert.ok(!(verdict instanceof Promise), 'the verdict is there at once')
  return verdict
}

async function warm(domain: TestDomain, verifier: Verifier, claims = {}): Promise<string> {
  const { text } = await domain.issueOne(claims)
  assert.equal(now(verifier.verify(domain.input(text))).timings.path, 'cold')
  assert.equal(now(verifier.verify(domain.input(text))).timings.path, 'cached')
  return text
}

test('gives the same verdict from the cache as without it', async () => {
  const domain = await createTestDomain()
  const { build, att } = await domain.registry.attest()
  const verifier = domain.verifier()
  const chn = [{ sid: domain.web, attLog: 0, attIndex: 0, log: 1, index: 4 }]
  const { text } = await domain.issueOne({ bld: build, att, bev: 2, chn })
  const { timings: cold, ...first } = now(verifier.verify(domain.input(text)))
  const { timings: cached, ...second } = now(verifier.verify(domain.input(text)))
  assert.deepEqual({ ...second }, { ...first })
  assert.deepEqual([cold.path, cached.path], ['cold', 'cached'])
})

test('passes no token of one service at another', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const text = await warm(domain, verifier)
  const other = now(verifier.verify(domain.input(text, { audience: domain.web })))
  assert.equal(other.reason, 'audience_mismatch')
  assert.equal(other.authenticated, false)
  assert.equal(now(verifier.verify(domain.input(text))).reason, 'ok')
})

test('passes no bound token without its key, however often it passed with it', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const { text } = await domain.issueOne({ cnf: { jkt: bytes } })
  const reason = (proofKeyThumbprint?: Uint8Array): Reason =>
    now(verifier.verify(domain.input(text, { proofKeyThumbprint }))).reason
  assert.equal(reason(bytes), 'ok')
  assert.equal(reason(), 'binding_mismatch')
  assert.equal(reason(sha256(bytes)), 'binding_mismatch')
  assert.equal(reason(bytes), 'ok')
})

test('passes no standalone token at a listener that does not accept it', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const { text } = await domain.issueOne({}, { form: 'standalone' })
  assert.equal(now(verifier.verify(domain.input(text, { acceptStandalone: true }))).reason, 'ok')
  assert.equal(now(verifier.verify(domain.input(text))).reason, 'token_malformed')
})

test('asks again on each request what changes', async () => {
  const changes: readonly [Reason, (domain: TestDomain, digest: Uint8Array) => Promise<unknown>][] = [
    ['token_expired', (d) => d.advance(331_000)],
    ['trust_stale', (d) => d.advance(300_500, { publish: false })],
    ['key_revoked', (d) => d.setKeyState('issuer/1', 'compromised')],
    ['key_revoked', (d) => d.revoke({ kind: 'key', value: d.key('issuer/1').record.key.kid })],
    ['token_revoked', (d, digest) => d.revoke({ kind: 'token', value: hex(digest) })],
    ['token_revoked', (d) => d.revoke({ kind: 'range', value: '99', from: 0, log: d.log.origin })],
    ['identity_revoked', (d) => d.revoke({ kind: 'identity', value: d.web })],
    ['build_revoked', (d) => d.revoke({ kind: 'build', value: hex(bytes) })],
  ]
  for (const [reason, change] of changes) {
    const domain = await createTestDomain()
    const verifier = domain.verifier()
    const text = await warm(domain, verifier, { bld: bytes })
    const { token } = now(verifier.verify(domain.input(text)))
    await change(domain, token?.digest ?? bytes)
    assert.equal(now(verifier.verify(domain.input(text))).reason, reason)
  }
})

test('keeps neither one-time tokens nor refused ones', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const once = await domain.issueOne({ use: 1 })
  const [, forged] = await domain.issue([{}, {}])
  const elsewhere = await domain.issueOne({ aud: [domain.web] })
  const unlisted = await domain.issueOne({}, { publish: false })
  for (const text of [
    once.text,
    formatMerkleToken({ ...forged!, path: [bytes] }),
    elsewhere.text,
    unlisted.text,
    once.text.slice(0, 50),
    'rubbish',
  ]) {
    await verifier.verify(domain.input(text))
  }
  assert.equal(verifier.stats().cacheEntries, 0)
})

test('keeps at most as many as it may', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier({ cacheMax: 10 })
  for (const { text } of await domain.issue(Array.from({ length: 40 }, () => ({})))) {
    assert.equal(now(verifier.verify(domain.input(text))).reason, 'ok')
    assert.ok(verifier.stats().cacheEntries <= 10)
  }
})

test('rechecks what outlives its request', async () => {
  const changes: readonly [Reason, (domain: TestDomain) => Promise<unknown>][] = [
    ['ok', async () => {}],
    ['token_expired', (d) => d.advance(931_000)],
    ['trust_stale', (d) => d.advance(300_500, { publish: false })],
    ['key_revoked', (d) => d.setKeyState('issuer/1', 'compromised')],
    ['identity_revoked', (d) => d.revoke({ kind: 'identity', value: d.web })],
    ['build_revoked', (d) => d.revoke({ kind: 'build', value: hex(bytes) })],
  ]
  for (const [reason, change] of changes) {
    const domain = await createTestDomain()
    const verifier = domain.verifier()
    const { text } = await domain.issueOne({ bld: bytes, exp: domain.nowS() + 900 })
    const verdict = now(verifier.verify(domain.input(text)))
    assert.equal(verdict.reason, 'ok')
    await change(domain)
    assert.equal(verifier.recheck(verdict), reason)
    assert.equal(verifier.recheck(verdict), reason, 'and again')
  }
})

test('rechecks no verdict but its own', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const verdict = now(verifier.verify(domain.input((await domain.issueOne()).text)))
  assert.equal(verifier.recheck({ ...verdict }), 'key_unknown')
  const refused = now(verifier.verify(domain.input(undefined)))
  assert.equal(verifier.recheck(refused), 'token_absent')
})
