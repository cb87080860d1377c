import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { generateKemKey } from '@quantum-ip/crypto'
import { type SimulatedClock, simulatedClock } from '@quantum-ip/testing'
import type { MemberSession } from '../src/fleet.ts'
import type { Authority } from '../src/index.ts'
import type { PolicyReport } from '../src/policies/policy-reports.ts'
import type { PromotionOrder } from '../src/policies/promotions.ts'
import { openIn, td } from './support.ts'

let folder = ''
let clock: SimulatedClock
let events: string[] = []
const opened: Authority[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-promotions-'))
  clock = simulatedClock()
  events = []
})

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close()
  await rm(folder, { recursive: true })
})

const never = 2_147_483_647

async function open(): Promise<Authority> {
  const authority = await openIn(folder, {
    clock,
    rotationStepMs: never,
    onEvent: (event) => {
      if (event.startsWith('policy')) events.push(event)
    },
  })
  opened.push(authority)
  return authority
}

async function restart(authority: Authority): Promise<Authority> {
  opened.splice(opened.indexOf(authority), 1)
  await authority.close()
  return open()
}

function publish(authority: Authority, version: number, mode = 'enforce'): Promise<unknown> {
  const text = `apiVersion: quantum-ip.dev/v1
kind: Policy
metadata: { name: shop, version: ${version} }
spec: { mode: ${mode}, default: { verified: allow, missing: reject, invalid: reject, unverifiable: reject } }
`
  return authority.promotions.publish({ text, comment: '', by: 'alice', activate: false })
}

const order: PromotionOrder = {
  name: 'shop',
  by: 'alice',
  shares: [500, 10_000],
  enforces: true,
  soakMs: 60_000,
  budget: 50,
  requestsMin: 10,
}

async function enroll(authority: Authority): Promise<MemberSession> {
  const admitted = {
    sid: `${td}/ns/prod/sa/edge`,
    role: 'verifier' as const,
    builds: [],
    method: 'test',
    expiresS: Math.floor(clock.now() / 1_000) + 3_600,
  }
  return (await authority.sessions.create(admitted, generateKemKey('X-Wing').publicKey)).session
}

async function report(
  authority: Authority,
  session: MemberSession,
  counts: Partial<PolicyReport>,
  run = 'a',
): Promise<void> {
  const rollout = authority.policies.current('shop').document.number
  const whole = { name: 'shop', rollout, requests: 0, rejected: 0, errors: 0, differences: [], ...counts }
  await authority.policyReports.take({ session, point: 'edge', run }, [whole])
}

function stageOf(authority: Authority): readonly unknown[] {
  const { active, candidate } = authority.policies.current('shop').document
  return [active.version, active.mode, active.share, candidate?.version, candidate?.share]
}

const refusedWith = (code: string) => (error: unknown) => isQipError(error, code)

test('a candidate goes from share to share, each after its time and its requests, and is enforced in the end', async () => {
  const authority = await open()
  await publish(authority, 1)
  await publish(authority, 2)
  const member = await enroll(authority)
  await authority.promotions.start(order)
  assert.deepEqual(stageOf(authority), [1, undefined, 0, 2, 500])
  clock.advance(61_000)
  await report(authority, member, { requests: 9 })
  await authority.promotions.advance()
  assert.deepEqual(stageOf(authority), [1, undefined, 0, 2, 500], 'too few requests')
  await report(authority, member, { requests: 1_000, rejected: 5 })
  await authority.promotions.advance()
  assert.deepEqual(stageOf(authority), [1, undefined, 0, 2, 10_000])
  await report(authority, member, { requests: 10 })
  await authority.promotions.advance()
  assert.deepEqual(stageOf(authority), [1, undefined, 0, 2, 10_000], 'too early')
  clock.advance(61_000)
  await authority.promotions.advance()
  assert.deepEqual(stageOf(authority), [2, 'enforce', 0, undefined, undefined])
  const [done] = await authority.promotions.list('shop', 1)
  assert.deepEqual([done?.phase, done?.outcome], ['ended', 'completed'])
  assert.deepEqual(events, ['policy_promoted'])
})

test('past the budget what was before is in force again at once, and the record says why', async () => {
  const authority = await open()
  await publish(authority, 1)
  await publish(authority, 2)
  const member = await enroll(authority)
  await authority.promotions.start(order)
  const difference = { rule: 'r', caller: 'c', from: 'allow', to: 'reject', count: 2 } as const
  await report(authority, member, { requests: 100, rejected: 1, differences: [difference] })
  await report(authority, member, { requests: 100, errors: 1, differences: [difference] }, 'b')
  await authority.promotions.advance()
  assert.deepEqual(stageOf(authority), [1, undefined, 0, 2, 0])
  const { action, reason } = authority.policies.current('shop').document
  assert.deepEqual(action, 'rollback')
  assert.match(reason, /1 of 200 requests of verified callers rejected, 1 errors: over the budget of 0.5%/)
  const [done] = await authority.promotions.list('shop', 1)
  assert.deepEqual([done?.outcome, events], ['rolled-back', ['policy_rolled_back']])
  const counts = await authority.policyReports.counts('shop', done?.rollout ?? 0)
  assert.deepEqual(counts.differences, [{ ...difference, count: 4 }])
})

test('a version that monitors goes to a canary and stays there, where that is asked for', async () => {
  const authority = await open()
  await publish(authority, 1, 'monitor')
  const member = await enroll(authority)
  await authority.promotions.start({ ...order, shares: [500], enforces: false })
  assert.deepEqual(stageOf(authority), [1, 'canary', 500, undefined, undefined])
  clock.advance(61_000)
  await report(authority, member, { requests: 10 })
  await authority.promotions.advance()
  assert.deepEqual(stageOf(authority), [1, 'canary', 500, undefined, undefined])
  assert.equal((await authority.promotions.list('shop', 1))[0]?.outcome, 'completed')
})

test('a promotion goes on after a restart, with what was counted before', async () => {
  const before = await open()
  await publish(before, 1)
  await publish(before, 2)
  const member = await enroll(before)
  await before.promotions.start(order)
  await report(before, member, { requests: 1_000 })
  clock.advance(61_000)
  const authority = await restart(before)
  assert.equal(authority.policies.current('shop').document.action, 'confirm')
  await authority.promotions.advance()
  assert.deepEqual(stageOf(authority), [1, undefined, 0, 2, 10_000])
  await report(authority, member, { requests: 100, rejected: 50 })
  const again = await restart(authority)
  await again.promotions.advance()
  assert.deepEqual(stageOf(again), [1, undefined, 0, 2, 0])
})

test('a member that refuses a rollout ends its promotion', async () => {
  const authority = await open()
  await publish(authority, 1)
  await publish(authority, 2)
  const member = await enroll(authority)
  await authority.promotions.start(order)
  const { number: rollout } = authority.policies.current('shop').document
  const { bundle, current } = authority.publisher
  const held = { name: 'shop', rollout: 1, version: 1, refused: { rollout, reason: 'no such upstream' } }
  const told = {
    seq: current.seq,
    epoch: 0,
    bundleSequence: bundle.sequence,
    point: 'edge',
    policies: [held],
  }
  await authority.acknowledge(member, told)
  await authority.promotions.advance()
  const [done] = await authority.promotions.list('shop', 1)
  assert.deepEqual([done?.outcome, done?.detail], ['rolled-back', 'edge refuses it: no such upstream'])
})

test('while a promotion runs nothing else is published or promoted, and it can be taken back', async () => {
  const authority = await open()
  await publish(authority, 1)
  const refused = refusedWith('QIP_AUTHORITY_POLICY_REFUSED')
  await assert.rejects(authority.promotions.start(order), refused, 'it is enforced already')
  await publish(authority, 2)
  await authority.promotions.start(order)
  await assert.rejects(publish(authority, 3), refused)
  await assert.rejects(authority.promotions.start(order), refused)
  const back = { name: 'shop', by: 'bob', reason: 'pager' }
  await authority.promotions.takeBack(back)
  assert.deepEqual(stageOf(authority), [1, undefined, 0, 2, 0])
  await authority.promotions.takeBack({ ...back, candidateOnly: true })
  assert.deepEqual(stageOf(authority), [1, undefined, 0, undefined, undefined])
  await assert.rejects(authority.promotions.takeBack({ ...back, candidateOnly: true }), refused)
  await assert.rejects(authority.promotions.takeBack(back), refused, 'nothing else was ever in force')
})

test('a policy that may only be monitored is not promoted', async () => {
  const authority = await open()
  const text = `apiVersion: quantum-ip.dev/v1
kind: Policy
metadata: { name: shop, version: 1 }
spec: { mode: monitor, default: { verified: allow, missing: allow, invalid: reject, unverifiable: reject } }
`
  await authority.promotions.publish({ text, comment: '', by: 'alice', activate: false })
  await assert.rejects(authority.promotions.start(order), refusedWith('QIP_POLICY_NOT_NAMED'))
})

test('a report of somebody who is no verifier is refused', async () => {
  const authority = await open()
  await publish(authority, 1)
  const session = { ...(await enroll(authority)), role: 'workload' as const }
  await assert.rejects(report(authority, session, {}), refusedWith('QIP_AUTHORITY_SESSION_REFUSED'))
})

test('what goes back by itself is an event for operators, once; what an operator takes back is none', async () => {
  const authority = await open()
  await publish(authority, 1)
  await publish(authority, 2)
  const member = await enroll(authority)
  const promotion = await authority.promotions.start(order)
  await report(authority, member, { requests: 100, rejected: 50 })
  await authority.promotions.advance()
  await authority.promotions.start(order)
  await authority.promotions.takeBack({ name: 'shop', by: 'alice', reason: 'not today' })
  const listed = await authority.watch.events.list({ kind: 'policy_rolled_back', limit: 10 })
  assert.deepEqual(
    listed.map(({ severity, subject, reports, proof }) => [severity, subject, reports, proof['promotion']]),
    [['warning', 'shop', 1, promotion.number]],
  )
  assert.match(JSON.stringify(listed[0]?.proof), /50 of 100 requests/)
})

test('keeps no count of a rollout that never was, and of one service only so many', async () => {
  const authority = await open()
  await publish(authority, 1)
  const member = await enroll(authority)
  await report(authority, member, { rollout: 12_345, requests: 1 })
  await report(authority, member, { name: 'other', requests: 1 })
  for (let run = 0; run < 1_030; run++) await report(authority, member, { requests: 1 }, `run-${run}`)
  // What is there already is brought up to date.
  await report(authority, member, { requests: 2 }, 'run-0')
  const rows = await authority.store.sql.query('SELECT DISTINCT name FROM policy_reports')
  assert.deepEqual(
    rows.map(({ name }) => name),
    ['shop'],
  )
  const { number } = authority.policies.current('shop').document
  assert.equal((await authority.policyReports.counts('shop', number)).requests, 1_025)
  assert.equal((await authority.policyReports.counts('shop', 0)).requests, 1_025)
})
