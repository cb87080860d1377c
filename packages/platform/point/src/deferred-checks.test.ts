import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeepOutcome, Verdict } from '@quantum-ip/verifier'
import { type DeferredProof, openDeferredChecks } from './deferred-checks.ts'

const verdictOf = (index: number): Verdict =>
  ({
    identity: 'spiffe://acme.example/web',
    attestation: { log: 'acme.example/attestations/1', index },
    build: { digest: new Uint8Array(32).fill(index), evidence: 'declared' },
    chain: undefined,
  }) as unknown as Verdict

/** Checks whose outcomes are decided one by one. */
function scene(
  options: { backlogMax?: number; atOnce?: number; patienceMs?: number; failing?: string } = {},
) {
  const { failing, ...rest } = options
  const asked: number[] = []
  const open: ((outcome: DeepOutcome) => void)[] = []
  const proofs: DeferredProof[] = []
  const outcomes: string[] = []
  let nowMs = 1_000
  const checks = openDeferredChecks({
    verifier: {
      checkDeferred(verdict) {
        asked.push(verdict.attestation?.index ?? -1)
        return new Promise((resolve) => open.push(resolve))
      },
      recheckAttestation: ({ origin, index }) =>
        Promise.resolve(`${origin}/${index}` === failing ? 'failed' : 'passed'),
    },
    onProven: (proof) => proofs.push(proof),
    observer: { deepCheck: (outcome) => outcomes.push(outcome) },
    clock: { now: () => nowMs },
    retryMs: 1,
    atOnce: 1,
    ...rest,
  })
  const answer = async (outcome: DeepOutcome): Promise<void> => {
    open.shift()?.(outcome)
    for (let turn = 0; turn < 12; turn++) await Promise.resolve()
  }
  const pass = (ms: number): void => {
    nowMs += ms
  }
  return { checks, asked, proofs, outcomes, answer, pass }
}

test('checks an attestation once for all requests that passed on it, and names each of them on proof', async () => {
  const { checks, asked, proofs, answer } = scene()
  for (let request = 0; request < 1_003; request++)
    checks.add({ verdict: verdictOf(7), id: `edge-1/${request}`, priority: 1 })
  checks.add({ verdict: verdictOf(7), id: null, priority: 1 })
  assert.deepEqual([asked, checks.backlog], [[7], 1])
  await answer('failed')
  const [proof] = proofs
  assert.deepEqual([proofs.length, proof?.index, proof?.decisions.length, proof?.more], [1, 7, 1_000, 4])
  assert.deepEqual([proof?.decisions[0], proof?.build], ['edge-1/0', '07'.repeat(32)])
  assert.deepEqual([checks.backlog, checks.proven], [0, proofs])
})

const hop = (sid: string, attestationLog: number, attestationIndex: number) =>
  ({ sid: `spiffe://acme.example/${sid}`, attestationLog, attestationIndex, log: 1, index: 1 }) as const

test('checks a token that only its hops attest, and names the hop that does not hold', async () => {
  const { checks, proofs, answer } = scene({ failing: 'acme.example/attestations/2/9' })
  const chain = [hop('edge', 0, 0), hop('cart', 2, 9), hop('shop', 2, 4)]
  const verdict = { ...verdictOf(1), attestation: undefined, build: undefined, chain } as Verdict
  checks.add({ verdict, id: 'edge-1/1', priority: 1 })
  assert.equal(checks.backlog, 1)
  await answer('failed')
  assert.deepEqual(
    proofs.map(({ log, index, subject, build }) => [log, index, subject, build]),
    [['acme.example/attestations/2', 9, 'spiffe://acme.example/cart', undefined]],
  )
})

test('names the own attestation where each holds by itself: it is of another build', async () => {
  const { checks, proofs, answer } = scene()
  checks.add({ verdict: { ...verdictOf(1), chain: [hop('cart', 2, 9)] }, id: 'a', priority: 1 })
  await answer('failed')
  assert.deepEqual(
    proofs.map(({ index, subject }) => [index, subject]),
    [[1, 'spiffe://acme.example/web']],
  )
})

test('waits for nothing where the token names no attestation', () => {
  const { checks } = scene()
  const bare = { ...verdictOf(1), attestation: undefined, chain: [hop('edge', 0, 0)] } as Verdict
  checks.add({ verdict: bare, id: 'a', priority: 1 })
  assert.equal(checks.backlog, 0)
})

test('says nothing about what holds', async () => {
  const { checks, proofs, answer } = scene()
  checks.add({ verdict: verdictOf(1), id: 'edge-1/1', priority: 1 })
  await answer('passed')
  assert.deepEqual([checks.backlog, proofs, checks.dropped], [0, [], 0])
})

test('checks for services that matter most first, and drops what matters least when too many wait', async () => {
  const { checks, asked, outcomes, answer } = scene({ backlogMax: 3 })
  checks.add({ verdict: verdictOf(1), id: 'a', priority: 2 })
  checks.add({ verdict: verdictOf(2), id: 'b', priority: 2 })
  checks.add({ verdict: verdictOf(3), id: 'c', priority: 0 })
  checks.add({ verdict: verdictOf(4), id: 'd', priority: 2 })
  assert.deepEqual([checks.backlog, checks.dropped], [3, 1])
  checks.add({ verdict: verdictOf(5), id: 'e', priority: 1 })
  assert.deepEqual([checks.backlog, checks.dropped, outcomes], [3, 2, ['dropped', 'dropped']])
  for (let at = 0; at < 3; at++) await answer('passed')
  assert.deepEqual(asked, [1, 3, 5])
})

test('tries again while nobody can be asked, which proves nothing, and gives up after a while', async () => {
  const { checks, asked, proofs, answer, pass } = scene({ patienceMs: 5_000 })
  checks.add({ verdict: verdictOf(1), id: 'a', priority: 1 })
  await answer('unavailable')
  assert.equal(checks.backlog, 1)
  pass(2_000)
  checks.add({ verdict: verdictOf(2), id: 'b', priority: 1 })
  assert.deepEqual(asked, [1, 1])
  pass(10_000)
  await answer('unavailable')
  assert.deepEqual([checks.backlog, checks.dropped, proofs], [1, 1, []])
  checks[Symbol.dispose]()
  checks.add({ verdict: verdictOf(3), id: 'c', priority: 1 })
  assert.equal(checks.backlog, 1)
})
