import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@quantum-ip/base'
import type { Reason } from '@quantum-ip/verifier'
import type { TestReason } from './headers-for.ts'
import { createTestAuthority, type TestAuthority } from './test-authority.ts'

const build = 'ab'.repeat(32)

async function reasonOf(
  kit: TestAuthority,
  token: string,
  audience = kit.service('service'),
): Promise<Reason> {
  return (await kit.verifier().verify({ token, tokenCount: 1, audience })).reason
}

test('a token of the test authority verifies, and names caller and build', async () => {
  const kit = await createTestAuthority()
  const [identity, audience] = [kit.service('web'), kit.service('shop')]
  const token = await kit.token({ identity, audience, build })
  const verdict = await kit.verifier().verify({ token, tokenCount: 1, audience })
  assert.equal(verdict.status, 'verified')
  assert.equal(verdict.identity, identity)
  assert.equal(Buffer.from(verdict.build?.digest ?? []).toString('hex'), build)
  assert.equal(verdict.build?.evidence, 'platform')
})

test('each kind of bad token gets its own reason', async () => {
  const kit = await createTestAuthority()
  assert.equal(await reasonOf(kit, await kit.expired()), 'token_expired')
  assert.equal(await reasonOf(kit, await kit.forged()), 'signature_invalid')
  assert.equal(await reasonOf(kit, await kit.truncated()), 'token_truncated')
  assert.equal(await reasonOf(kit, await kit.token(), kit.service('other')), 'audience_mismatch')
  const { token, staple } = await kit.unlisted()
  assert.equal(await reasonOf(kit, token), 'head_unavailable')
  const audience = kit.service('service')
  const stapled = await kit.verifier().verify({ token, staple, tokenCount: 1, audience })
  assert.equal(stapled.status, 'verified')
})

test('a one-time token counts once for a verifier', async () => {
  const kit = await createTestAuthority()
  const verifier = kit.verifier()
  await kit.publish()
  const token = await kit.token({ oneTime: true })
  const input = { token, tokenCount: 1, audience: kit.service('service') }
  assert.equal((await verifier.verify(input)).status, 'verified')
  assert.equal((await verifier.verify(input)).reason, 'token_replayed')
})

test('a revocation holds at once, and an old state is stale', async () => {
  const kit = await createTestAuthority()
  const token = await kit.token({ build })
  await kit.revoke('identity', kit.service('caller'))
  assert.equal(await reasonOf(kit, token), 'identity_revoked')
  const other = await kit.token({ identity: kit.service('other') })
  kit.clock.advance(301_000)
  assert.equal(await reasonOf(kit, other), 'trust_stale')
  await kit.publish()
  assert.equal(await reasonOf(kit, await kit.token({ identity: kit.service('other') })), 'ok')
})

test('the clock of the caller is used where one is given', async () => {
  const kit = await createTestAuthority({ clock: systemClock })
  const verdict = await kit
    .verifier()
    .verify({ token: await kit.token(), tokenCount: 1, audience: kit.service('service') })
  assert.equal(verdict.status, 'verified')
})

test('refuses to be a trust root: another trust domain than one of tests, and production', async (t) => {
  await assert.rejects(createTestAuthority({ trustDomain: 'spiffe://acme.example' }), TypeError)
  await assert.rejects(createTestAuthority({ trustDomain: 'spiffe://test' }), TypeError)
  const before = process.env['NODE_ENV']
  t.after(() => {
    if (before === undefined) delete process.env['NODE_ENV']
    else process.env['NODE_ENV'] = before
  })
  process.env['NODE_ENV'] = 'production'
  await assert.rejects(createTestAuthority(), TypeError)
})

const reasons: readonly TestReason[] = [
  'ok',
  'token_absent',
  'token_stripped',
  'token_truncated',
  'token_malformed',
  'key_unknown',
  'signature_invalid',
  'head_unavailable',
  'token_expired',
  'token_not_yet_valid',
  'audience_mismatch',
  'binding_mismatch',
  'token_revoked',
  'identity_revoked',
  'build_revoked',
]

for (const reason of reasons) {
  test(`fields for ${reason} get that verdict, also from a verifier that was there before, for another service and caller`, async () => {
    const kit = await createTestAuthority()
    const [audience, identity] = [kit.service('shop'), kit.service('web')]
    const verifier = kit.verifier()
    const fields = await kit.headers(reason, { audience, identity })
    const { 'quantum-ip': token, tracestate } = fields
    const verdict = await verifier.verify({
      token,
      tokenCount: token === undefined ? 0 : 1,
      tracestate,
      audience,
    })
    assert.equal(verdict.reason, reason)
  })
}

test('test authorities side by side know nothing of each other, and none looks at a network', async (t) => {
  t.mock.method(globalThis, 'fetch', () => assert.fail('the network'))
  const kits = await Promise.all(Array.from({ length: 8 }, () => createTestAuthority()))
  const tokens = await Promise.all(kits.map((kit) => kit.token()))
  for (const [at, kit] of kits.entries()) {
    assert.equal(await reasonOf(kit, tokens[at] as string), 'ok')
    assert.notEqual(await reasonOf(kit, tokens[(at + 1) % kits.length] as string), 'ok')
  }
})
