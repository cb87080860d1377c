import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FleetMember } from '../fleet.ts'
import type { Rotation } from './rotation.ts'
import { decideGate, type Gate, gatePolicyDefault } from './rotation-gate.ts'

const waiting: Rotation = {
  number: 7,
  use: 'qip-token',
  instance: '',
  from: 'before',
  to: 'next',
  cause: 'requested',
  askedBy: 'test',
  phase: 'waiting',
  startedMs: 0,
  gateSequence: 100,
  heldMs: undefined,
  activatedMs: undefined,
  endedMs: undefined,
  outcome: undefined,
  detail: undefined,
  probe: undefined,
}

function member(point: string, said: Partial<FleetMember> = {}): FleetMember {
  return {
    sid: 'spiffe://acme.example/gateway',
    session: 'session',
    point,
    kind: 'gateway',
    probes: false,
    seq: 1,
    epoch: 0,
    bundleSequence: 100,
    seenMs: 0,
    leaseMs: 60_000,
    ...said,
  }
}

function decide(members: readonly FleetMember[], more: Partial<Rotation> = {}, nowMs = 0): Gate {
  return decideGate({ ...waiting, ...more }, members, { policy: gatePolicyDefault, nowMs })
}

const behind = member('behind', { bundleSequence: 99 })
const proving = (id: string, reason: string) => member('proving', { probes: true, probe: { id, reason } })

const cases: readonly (readonly [title: string, gate: Gate, decision: Gate['decision']])[] = [
  ['activates where nobody is enrolled', decide([]), 'activate'],
  ['activates where all have acknowledged', decide([member('a'), member('b')]), 'activate'],
  ['waits for one that is behind', decide([member('a'), behind]), 'wait'],
  ['waits until the new key is published', decide([], { gateSequence: undefined }), 'wait'],
  ['waits for one that said nothing of the probe', decide([member('a', { probes: true })]), 'wait'],
  ['waits where the probe was of another phase', decide([proving('7/settling', 'ok')]), 'wait'],
  ['waits where the member could not tell', decide([proving('7/waiting', 'head_unavailable')]), 'wait'],
  ['waits where its own clock is wrong', decide([proving('7/waiting', 'token_expired')]), 'wait'],
  ['activates where the probe was verified', decide([proving('7/waiting', 'ok')]), 'activate'],
  ['withdraws where it was refused', decide([proving('7/waiting', 'key_unknown')]), 'withdraw'],
  [
    'does not believe a refusal of a member that does not hold the key',
    decide([{ ...proving('7/waiting', 'key_unknown'), bundleSequence: 99 }]),
    'wait',
  ],
  [
    'rolls back where it is refused afterwards',
    decide([proving('7/settling', 'signature_invalid')], { phase: 'settling' }),
    'roll-back',
  ],
  [
    'does not roll back for one that is behind',
    decide([behind], { phase: 'settling' }, Number.MAX_SAFE_INTEGER),
    'wait',
  ],
  ['holds when the time is over', decide([behind], {}, 300_000), 'hold'],
]

for (const [title, gate, decision] of cases) {
  test(title, () => assert.equal(gate.decision, decision))
}

test('withdraws when the time is over, where that is configured', () => {
  const policy = { ...gatePolicyDefault, onTimeLimit: 'rollback' } as const
  assert.equal(decideGate(waiting, [behind], { policy, nowMs: 299_999 }).decision, 'wait')
  assert.equal(decideGate(waiting, [behind], { policy, nowMs: 300_000 }).decision, 'withdraw')
})

test('lets as many be behind as the threshold says', () => {
  const policy = { ...gatePolicyDefault, threshold: 0.5 }
  const three = [member('a'), behind, { ...behind, point: 'c' }]
  const gate = decideGate(waiting, three, { policy, nowMs: 0 })
  assert.deepEqual([gate.acknowledged, gate.needed, gate.decision], [1, 2, 'wait'])
  assert.equal(decideGate(waiting, [...three, member('d')], { policy, nowMs: 0 }).decision, 'activate')
})

test('one refusal ends a rotation whatever the threshold, and names who refused', () => {
  const policy = { ...gatePolicyDefault, threshold: 0.5 }
  for (const [phase, decision] of [
    ['waiting', 'withdraw'],
    ['settling', 'roll-back'],
  ] as const) {
    const fleet = [member('a'), member('b'), member('c'), proving(`7/${phase}`, 'key_unknown')]
    const gate = decideGate({ ...waiting, phase }, fleet, { policy, nowMs: 0 })
    assert.deepEqual(
      [gate.decision, gate.detail],
      [decision, 'refused by proving (spiffe://acme.example/gateway)'],
    )
  }
})

test('names who is waited for', () => {
  const many = Array.from({ length: 10 }, (_, nth) => member(`g${nth}`, { bundleSequence: 0 }))
  const { detail } = decide([...many, member('fine')])
  assert.match(detail, /^waits for g0 \(spiffe:.*and 2 more$/)
  assert.doesNotMatch(detail, /fine/)
})
