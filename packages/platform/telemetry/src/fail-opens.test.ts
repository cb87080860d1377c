import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Decision, builtinPolicy, decide } from '@quantum-ip/policy'
import type { Verdict } from '@quantum-ip/verifier'
import { factsFor, verdictOf } from '../test/samples.ts'
import { type FailOpen, failOpenPlaces } from './closed-sets.ts'
import { failOpenBits, failOpensOf } from './fail-opens.ts'

// What each kind means, written as sentences: the code asks the same in an order that is cheap.
const meanings: Readonly<Record<FailOpen, (verdict: Verdict, decision: Decision) => boolean>> = {
  monitor: (_, { mode, wouldBe }) => mode === 'monitor' && wouldBe !== 'allow',
  canary: (_, { mode, enforced, wouldBe }) => mode === 'canary' && !enforced && wouldBe !== 'allow',
  deferred: (_, { deferred }) => deferred,
  anonymous: ({ authenticated }, { wouldBe }) => !authenticated && wouldBe !== 'reject',
  unverifiable: ({ status, authenticated }, { wouldBe }) =>
    status === 'unverifiable' && authenticated && wouldBe !== 'reject',
  stale_trust: ({ notes }) => notes.staleTrustAccepted,
  unanchored_head: ({ notes }) => notes.unanchoredHead,
  replay_per_instance: ({ notes, oneTime }) => notes.replayPerInstance && oneTime,
  domain_audience: ({ notes }) => notes.domainAudience,
  exception: (_, { exception }) => exception !== null,
  engine_unavailable: (_, { reason, wouldBe }) => reason === 'engine_unavailable' && wouldBe !== 'reject',
}

const kinds = Object.keys(failOpenPlaces) as FailOpen[]
const noYes = [false, true]
const actions = ['allow', 'quarantine', 'reject'] as const

function verdicts(): Verdict[] {
  const { notes } = verdictOf('ok')
  const reasons = ['ok', 'attestation_stale', 'token_absent'] as const
  const many: Verdict[] = []
  for (let bits = 0; bits < 16; bits++) {
    const has = (bit: number): boolean => (bits & (1 << bit)) !== 0
    const granted = {
      ...notes,
      staleTrustAccepted: has(0),
      unanchoredHead: has(1),
      replayPerInstance: has(2),
      domainAudience: has(3),
    }
    for (const reason of reasons)
      for (const authenticated of noYes)
        for (const oneTime of noYes) many.push(verdictOf(reason, { authenticated, oneTime, notes: granted }))
  }
  return many
}

function decisions(): Decision[] {
  const plain = decide(builtinPolicy, factsFor(verdictOf('ok')))
  const exception = { name: 'cutover', owner: 'team' } as Decision['exception']
  const many: Decision[] = []
  for (const action of actions)
    for (const wouldBe of actions)
      for (const mode of ['monitor', 'canary', 'enforce'] as const)
        for (const enforced of noYes)
          for (const deferred of noYes)
            for (const reason of ['default', 'engine_unavailable'] as const)
              for (const used of [null, exception])
                many.push({ ...plain, action, wouldBe, mode, enforced, deferred, reason, exception: used })
  return many
}

test('names of every verdict and decision exactly the ways in which it passed', () => {
  const seen = new Set<FailOpen>()
  const passing = decisions()
  for (const verdict of verdicts()) {
    for (const decision of passing) {
      const meant =
        decision.action === 'reject' ? [] : kinds.filter((kind) => meanings[kind](verdict, decision))
      const found = failOpensOf(verdict, decision)
      if (found.join() !== meant.join()) assert.deepEqual(found, meant, JSON.stringify({ verdict, decision }))
      const bits = meant.reduce((sum, kind) => sum | (1 << failOpenPlaces[kind]), 0)
      if (failOpenBits(verdict, decision) !== bits) assert.equal(failOpenBits(verdict, decision), bits)
      for (const kind of found) seen.add(kind)
    }
  }
  assert.deepEqual([...seen].sort(), [...kinds].sort())
})
