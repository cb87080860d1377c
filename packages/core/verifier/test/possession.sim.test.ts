import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type ProofAlgorithm, proofAlgorithms } from '@quantum-ip/crypto'
import type { Verdict, Verifier, VerifyInput } from '../src/index.ts'
import { createTestDomain, type TestDomain } from './fixture.ts'
import {
  boundTo,
  forgedProof,
  possessionCases,
  possessionKeys,
  type PossessionScene,
  proofFor,
} from './possession-cases.ts'

const request = {
  method: 'GET',
  authority: 'shop.acme.example',
  target: '/cart?x=1',
  scheme: 'https',
} as const
const uri = 'https://shop.acme.example/cart'

interface Bench {
  readonly domain: TestDomain
  readonly verifier: Verifier
  readonly scene: PossessionScene
}

async function open(alg: ProofAlgorithm = 'Ed25519', claims: { use?: 1 } = {}): Promise<Bench> {
  const domain = await createTestDomain()
  const verifier = domain.verifier({ replay: domain.replay() })
  const keys = possessionKeys(alg)
  const cnf = boundTo(keys.own)
  const [token, other] = await domain.issue([{ cnf, ...claims }, { cnf }])
  const nowS = domain.clock.now() / 1_000
  const scene = { keys, token: token?.text ?? '', otherToken: other?.text ?? '', uri, nowS }
  return { domain, verifier, scene }
}

async function ask(
  { domain, verifier, scene }: Bench,
  proofs: readonly string[],
  changes: Partial<VerifyInput> = {},
): Promise<Verdict> {
  const fields = { proof: proofs[0], proofCount: proofs.length, request }
  return verifier.verify(domain.input(scene.token, { ...fields, ...changes }))
}

for (const alg of proofAlgorithms) {
  suite(`a token that is bound to a key of ${alg}`, () => {
    for (const { name, passes, proofs, again } of possessionCases) {
      test(`${passes ? 'passes' : 'is refused'} with ${name}`, async () => {
        const bench = await open(alg)
        const sent = await proofs(bench.scene)
        if (again === true) assert.equal((await ask(bench, sent)).reason, 'ok')
        const { reason, binding } = await ask(bench, sent)
        assert.equal(reason, passes ? 'ok' : 'binding_mismatch')
        if (passes) assert.equal(binding, 'proof_key')
      })
    }
  })
}

test('a proof is used once, also where the token is held already, and a new one passes', async () => {
  const bench = await open()
  const first = await proofFor(bench.scene)
  assert.equal((await ask(bench, [first])).reason, 'ok')
  assert.equal((await ask(bench, [first])).reason, 'binding_mismatch')
  const next = await ask(bench, [await proofFor(bench.scene)])
  assert.equal(next.reason, 'ok')
  assert.equal(next.timings.path, 'cached')
})

test('of a hundred requests with one proof at once, one passes', async () => {
  const bench = await open('ES256')
  const proof = await proofFor(bench.scene)
  const verdicts = await Promise.all(Array.from({ length: 100 }, () => ask(bench, [proof])))
  assert.deepEqual(
    verdicts.filter(({ reason }) => reason === 'ok').map(({ binding }) => binding),
    ['proof_key'],
  )
})

test('a one-time token with a proof is used up, and the proof with it', async () => {
  const bench = await open('Ed25519', { use: 1 })
  const proof = await proofFor(bench.scene)
  assert.equal((await ask(bench, [proof])).reason, 'ok')
  assert.equal((await ask(bench, [await proofFor(bench.scene)])).reason, 'token_replayed')
  assert.equal((await ask(bench, [proof])).reason, 'token_replayed')
})

test('a wrong proof does not use up a one-time token', async () => {
  const bench = await open('Ed25519', { use: 1 })
  assert.equal((await ask(bench, [])).reason, 'binding_mismatch')
  assert.equal((await ask(bench, [await proofFor(bench.scene)])).reason, 'ok')
})

test('without a replay memory nobody can say whether a proof was used', async () => {
  const bench = await open()
  const verifier = bench.domain.verifier({ replay: undefined })
  const { reason } = await ask({ ...bench, verifier }, [await proofFor(bench.scene)])
  assert.equal(reason, 'replay_unavailable')
})

test('a proof that may have been used before the memory began is not taken', async () => {
  const bench = await open()
  const { nowS } = bench.scene
  const before = await ask(bench, [await proofFor(bench.scene, { nowS: nowS - 20 })])
  assert.equal(before.reason, 'replay_unavailable')
  const untold = await forgedProof(bench.scene, { payload: { iat: undefined } })
  assert.equal((await ask(bench, [untold])).reason, 'replay_unavailable')
})

test('authorities that are configured count instead of the one in the request', async () => {
  const bench = await open()
  const changes = { request: { ...request, authority: 'internal:8443' } }
  const proof = async (): Promise<string[]> => [await proofFor(bench.scene)]
  assert.equal((await ask(bench, await proof(), changes)).reason, 'binding_mismatch')
  const named = { ...changes, proofAuthorities: ['shop.acme.example'] }
  assert.equal((await ask(bench, await proof(), named)).reason, 'ok')
  const other = { request, proofAuthorities: ['other.acme.example'] }
  assert.equal((await ask(bench, await proof(), other)).reason, 'binding_mismatch')
})

test('a configured authority with a scheme counts instead of the scheme of the request, too', async () => {
  const bench = await open()
  const plain = { request: { ...request, scheme: 'http' } as const }
  const reasonFor = async (proofAuthorities: readonly string[]): Promise<string> =>
    (await ask(bench, [await proofFor(bench.scene)], { ...plain, proofAuthorities })).reason
  assert.equal(await reasonFor(['https://shop.acme.example']), 'ok')
  const refused = [['shop.acme.example'], ['http://shop.acme.example'], ['https://other.acme.example'], []]
  for (const names of refused) assert.equal(await reasonFor(names), 'binding_mismatch')
})

test('a proof says nothing for a token that is bound to a certificate', async () => {
  const bench = await open()
  const { text } = await bench.domain.issueOne({ cnf: { x5tS256: boundTo(bench.scene.keys.own).jkt } })
  const scene = { ...bench.scene, token: text }
  const { reason } = await ask({ ...bench, scene }, [await proofFor(scene)])
  assert.equal(reason, 'binding_mismatch')
})

test('a token that is bound to nothing needs no proof, and is not refused for one', async () => {
  const bench = await open()
  const { text } = await bench.domain.issueOne()
  const scene = { ...bench.scene, token: text }
  const { reason, binding } = await ask({ ...bench, scene }, ['not a proof'])
  assert.deepEqual([reason, binding], ['ok', 'none'])
})

test('a request that is shed while its proof waits is told so', async () => {
  const bench = await open('ML-DSA-44')
  const verifier = bench.domain.verifier({ replay: bench.domain.replay(), pendingMax: 0 })
  const { reason } = await ask({ ...bench, verifier }, [await proofFor(bench.scene)])
  assert.equal(reason, 'overloaded')
})
