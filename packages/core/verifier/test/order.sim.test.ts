import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { sha256 } from '@quantum-ip/crypto'
import { formatMerkleToken } from '@quantum-ip/token'
import type { Reason, ReplayGuard, VerifierOptions, VerifyInput } from '../src/index.ts'
import { createTestDomain, type TestClaims, type TestDomain, type TestToken } from './fixture.ts'

/** Something that is wrong with a request, at one step. They combine. */
interface Fault {
  readonly step: string
  readonly reason: Reason
  readonly claims?: (domain: TestDomain) => TestClaims
  readonly bend?: (token: TestToken) => TestToken
  readonly input?: (domain: TestDomain) => Partial<VerifyInput>
  readonly options?: (domain: TestDomain) => Partial<VerifierOptions>
}

const bytes = sha256(new Uint8Array([1]))

const usedUp: ReplayGuard = {
  scope: 'shared',
  consume: () => 'replayed',
  observe: () => {},
  ready: () => true,
}

// In the order of the specification.
const faults: readonly Fault[] = [
  { step: 'shape', reason: 'token_malformed', input: () => ({ tokenCount: 2 }) },
  {
    step: 'key',
    reason: 'key_unknown',
    bend: (token) => ({ ...token, keyId: (token.keyId ^ 1) >>> 0 }),
  },
  {
    step: 'time',
    reason: 'token_expired',
    claims: (d) => ({ iat: d.nowS() - 400, exp: d.nowS() - 340 }),
  },
  { step: 'audience', reason: 'audience_mismatch', input: (d) => ({ audience: d.web }) },
  { step: 'revocation', reason: 'identity_revoked', claims: (d) => ({ sub: `${d.td}/revoked` }) },
  {
    step: 'proof',
    reason: 'signature_invalid',
    bend: (token) => ({ ...token, path: token.path.map((hash) => hash.map((byte) => byte ^ 1)) }),
  },
  { step: 'binding', reason: 'binding_mismatch', claims: () => ({ cnf: { jkt: bytes } }) },
  { step: 'attestation', reason: 'attestation_invalid', claims: () => ({ bld: bytes, att: [1, 99] }) },
  {
    step: 'replay',
    reason: 'token_replayed',
    claims: () => ({ use: 1 }),
    options: () => ({ replay: usedUp }),
  },
]

let domain: TestDomain

before(async () => {
  domain = await createTestDomain()
  await domain.revoke({ kind: 'identity', value: `${domain.td}/revoked` })
})

async function reasonOf(...wrong: readonly (Fault | undefined)[]): Promise<Reason> {
  const claims = Object.assign({}, ...wrong.map((fault) => fault?.claims?.(domain))) as TestClaims
  const [, issued] = await domain.issue([{}, claims])
  const token = wrong.reduce((bent, fault) => fault?.bend?.(bent) ?? bent, issued as TestToken)
  const options = Object.assign(
    {},
    ...wrong.map((fault) => fault?.options?.(domain)),
  ) as Partial<VerifierOptions>
  const verifier = domain.verifier({ attestations: { source: domain.registry, deep: 'always' }, ...options })
  const changes = Object.assign({}, ...wrong.map((fault) => fault?.input?.(domain))) as Partial<VerifyInput>
  const { reason } = await verifier.verify(domain.input(formatMerkleToken(token), changes))
  verifier.close()
  return reason
}

test('verifies the token without a fault', async () => {
  assert.equal(await reasonOf(), 'ok')
})

for (const [at, earlier] of faults.entries()) {
  test(`reports ${earlier.reason} at the step ${earlier.step}, whatever fails after it`, async () => {
    assert.equal(await reasonOf(earlier), earlier.reason)
    for (const later of faults.slice(at + 1)) {
      assert.equal(await reasonOf(earlier, later), earlier.reason, `and ${later.step}`)
    }
    assert.equal(await reasonOf(...faults.slice(at)), earlier.reason, 'and all')
  })
}

test('reports a head that was never listed before binding, and after revocation', async () => {
  const d = await createTestDomain({ seed: 'unlisted' })
  const wrong = await d.issueOne({ cnf: { jkt: bytes } }, { publish: false })
  const gone = await d.issueOne({ sub: `${d.td}/revoked` }, { publish: false })
  d.hideHeads()
  await d.revoke({ kind: 'identity', value: `${d.td}/revoked` })
  const verifier = d.verifier()
  assert.equal((await verifier.verify(d.input(wrong.text))).reason, 'head_unknown')
  assert.equal((await verifier.verify(d.input(gone.text))).reason, 'identity_revoked')
})

test('lets nothing that is invalid hide behind a stale trust state', async () => {
  const d = await createTestDomain({ seed: 'stale' })
  const long = { exp: d.nowS() + 3_000 }
  const good = await d.issueOne(long)
  const bound = await d.issueOne({ ...long, cnf: { jkt: bytes } })
  const ended = await d.issueOne()
  const [, forged] = await d.issue([long, long])
  await d.advance(1_000_000, { publish: false })
  const verifier = d.verifier()
  const reason = async (text: string, changes = {}) => (await verifier.verify(d.input(text, changes))).reason
  assert.equal(await reason(ended.text), 'token_expired')
  assert.equal(await reason(good.text, { audience: d.web }), 'audience_mismatch')
  assert.equal(await reason(bound.text), 'binding_mismatch')
  assert.equal(await reason(formatMerkleToken({ ...forged!, path: [bytes] })), 'signature_invalid')
  assert.equal(await reason(good.text), 'trust_stale')
})

test('uses a one-time token up even where its verdict is unverifiable, since a policy may let it through', async () => {
  const d = await createTestDomain({ seed: 'burnt' })
  d.registry.isDown = true
  const verifier = d.verifier({ attestations: { source: d.registry, deep: 'always' } })
  const { text } = await d.issueOne({ use: 1, bld: bytes, att: [1, 1] })
  assert.equal((await verifier.verify(d.input(text))).reason, 'attestation_unavailable')
  assert.equal((await verifier.verify(d.input(text))).reason, 'token_replayed')
})

test('names every unverifiable reason that holds, the first one as the reason', async () => {
  const d = await createTestDomain({ seed: 'several' })
  d.registry.isDown = true
  const { text } = await d.issueOne({ use: 1, exp: d.nowS() + 120, bld: bytes, att: [1, 1] })
  await d.advance(60_000, { publish: false })
  const verifier = d.verifier({
    attestations: { source: d.registry, deep: 'always' },
    replay: undefined,
    staleAfterMs: 50_000,
  })
  const verdict = await verifier.verify(d.input(text))
  assert.equal(verdict.reason, 'trust_stale')
  assert.equal(verdict.authenticated, true)
  assert.deepEqual(verdict.notes.alsoUnverifiable, ['attestation_unavailable', 'replay_unavailable'])
})
