import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@quantum-ip/base'
import type { Reason } from '@quantum-ip/verifier'
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
