import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { generateKemKey } from '@quantum-ip/crypto'
import { type SimulatedClock, simulatedClock } from '@quantum-ip/testing'
import { parseMerkleToken } from '@quantum-ip/token'
import type { Reason } from '@quantum-ip/verifier'
import type { Acknowledgement, MemberSession } from '../src/fleet.ts'
import type { Authority } from '../src/index.ts'
import { type Probe, type RotatedUse, rotatedUses } from '../src/keys/rotation.ts'
import { openLocalVerifier } from '../src/local-verifier.ts'
import { Follower, issue, openIn, td } from './support.ts'

let folder = ''
let clock: SimulatedClock
let events: string[] = []
const opened: Authority[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-rotation-'))
  clock = simulatedClock()
  events = []
})

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close()
  await rm(folder, { recursive: true })
})

const never = 2_147_483_647

async function open(options: Parameters<typeof openIn>[1] = {}): Promise<Authority> {
  const authority = await openIn(folder, {
    clock,
    rotationStepMs: never,
    onEvent: (event) => events.push(event),
    ...options,
  })
  opened.push(authority)
  return authority
}

async function restart(authority: Authority, options?: Parameters<typeof openIn>[1]): Promise<Authority> {
  opened.splice(opened.indexOf(authority), 1)
  await authority.close()
  return open(options)
}

/** An enrolled member, and how it says what it holds. */
async function enroll(authority: Authority, name = 'gateway'): Promise<MemberSession> {
  const admitted = {
    sid: `${td}/ns/prod/sa/${name}`,
    role: 'verifier' as const,
    builds: [],
    method: 'test',
    expiresS: Math.floor(clock.now() / 1_000) + 3_600,
  }
  const { session } = await authority.sessions.create(admitted, generateKemKey('X-Wing').publicKey)
  await acknowledge(authority, session)
  return session
}

function acknowledge(
  authority: Authority,
  session: MemberSession,
  told: Partial<Acknowledgement> = {},
): Promise<Probe | undefined> {
  const { bundle, current } = authority.publisher
  const held = { seq: current.seq, epoch: 0, bundleSequence: bundle.sequence, point: 'edge' }
  return authority.acknowledge(session, { ...held, kind: 'gateway', ...told })
}

function statesOf(authority: Authority, use: RotatedUse): string {
  return authority.keys
    .list()
    .flatMap(({ record }) => (record.use === use ? [record.state] : []))
    .join(' ')
}

const refusedWith = (code: string) => (error: unknown) => isQipError(error, code)
const rotate = (authority: Authority, use: RotatedUse = 'qip-token') =>
  authority.rotate({ use, askedBy: 'test' })

for (const use of rotatedUses) {
  test(`a key of use ${use} signs once the enrolled members have acknowledged it, and not before`, async () => {
    const authority = await open()
    const member = await enroll(authority)
    const before = authority.keys.find(use, 'active')?.record.key.kid
    const held = authority.publisher.bundle.sequence
    const waiting = await rotate(authority, use)
    assert.equal(waiting.phase, 'waiting')
    assert.equal(statesOf(authority, use), 'active published')
    await acknowledge(authority, member, { bundleSequence: held })
    await authority.advance()
    assert.equal(authority.keys.find(use, 'active')?.record.key.kid, before)
    await acknowledge(authority, member)
    await authority.advance()
    assert.equal(statesOf(authority, use), 'retiring active published')
    const { phase, activatedMs, to } = await authority.rotations.find(waiting.number)
    assert.equal(phase, 'settling')
    assert.equal(activatedMs, clock.now())
    assert.equal(authority.keys.find(use, 'active')?.record.key.kid, to)
    clock.advance(2 * 3_600_000)
    await authority.maintain()
    assert.equal((await authority.rotations.find(waiting.number)).outcome, 'completed')
    assert.equal(statesOf(authority, use), 'retired active published')
  })

  test(`verifiers follow every step of a rotation of ${use}, and of one that is taken back`, async () => {
    const authority = await open()
    const follower = await Follower.start(authority, () => clock.now())
    const tokens = [...(await issue(authority)).tokens]
    await rotate(authority, use)
    clock.advance(1_000)
    tokens.push(...(await issue(authority)).tokens)
    await authority.publisher.publish()
    await authority.rollBack({ use, reason: 'test' })
    clock.advance(1_000)
    tokens.push(...(await issue(authority)).tokens)
    await authority.publisher.publish()
    await follower.settle()
    assert.equal(statesOf(authority, use), 'active retiring published')
    assert.ok(tokens.every((token) => follower.holds(token)))
  })

  test(`a key of use ${use} that is revoked is replaced at once, whoever was being waited for`, async () => {
    const authority = await open()
    const member = await enroll(authority)
    const follower = await Follower.start(authority, () => clock.now())
    const waiting = await rotate(authority, use)
    await authority.revoke({ kind: 'key', value: waiting.from, reason: 'stolen' })
    assert.equal(statesOf(authority, use), 'compromised active published')
    assert.equal(authority.keys.find(use, 'active')?.record.key.kid, waiting.to)
    const [last, before] = await authority.rotations.list(2, use)
    assert.deepEqual([last?.cause, last?.phase, last?.outcome], ['compromised', 'ended', 'completed'])
    assert.equal(before?.outcome, 'superseded')
    await assert.rejects(
      authority.rollBack({ use, reason: 'test' }),
      refusedWith('QIP_AUTHORITY_ROTATION_REFUSED'),
    )
    await acknowledge(authority, member)
    await authority.advance()
    assert.equal(statesOf(authority, use), 'compromised active published')
    await authority.publisher.publish()
    await follower.settle()
    assert.equal(follower.trust.epoch, 1)
  })
}

test('a rotation that waits goes on waiting for the same members after a restart', async () => {
  let authority = await open()
  const member = await enroll(authority)
  const { number } = await rotate(authority)
  clock.advance(1_000)
  authority = await restart(authority)
  await authority.advance()
  const again = await authority.rotations.find(number)
  assert.equal(again.phase, 'waiting')
  const { gate } = await authority.rotations.report(again)
  assert.deepEqual(
    gate?.members.map(({ member: { point }, standing }) => `${point} ${standing}`),
    ['edge behind'],
  )
  await acknowledge(authority, member)
  await authority.advance()
  assert.equal((await authority.rotations.find(number)).phase, 'settling')
})

test('leases do not end while no authority is there to renew them, and then they do', async () => {
  let authority = await open()
  await enroll(authority)
  const { number } = await rotate(authority)
  opened.splice(0)
  await authority.close()
  clock.advance(180_000)
  authority = await open()
  await authority.advance()
  assert.equal((await authority.rotations.find(number)).phase, 'waiting')
  clock.advance(61_000)
  await authority.advance()
  assert.equal((await authority.rotations.find(number)).phase, 'settling')
})

test('a member that stops is not waited for; nobody else can say that it did', async () => {
  const authority = await open()
  const member = await enroll(authority)
  const { number } = await rotate(authority)
  await authority.fleet.leave({ id: 'another session' }, 'edge')
  await authority.advance()
  assert.equal((await authority.rotations.find(number)).phase, 'waiting')
  await authority.fleet.leave(member, 'edge')
  await authority.advance()
  assert.equal((await authority.rotations.find(number)).phase, 'settling')
})

test('a member whose session is ended is not waited for', async () => {
  const authority = await open()
  await enroll(authority, 'gone')
  const { number } = await rotate(authority)
  await authority.revoke({ kind: 'identity', value: `${td}/ns/prod/sa/gone`, reason: 'test' })
  await authority.advance()
  assert.equal((await authority.rotations.find(number)).phase, 'settling')
})

test('a workload cannot enroll, and so hold nothing up', async () => {
  const authority = await open()
  const session = { sid: `${td}/ns/prod/sa/checkout`, id: 'x', role: 'workload' as const }
  await assert.rejects(acknowledge(authority, session), refusedWith('QIP_AUTHORITY_SESSION_REFUSED'))
  assert.equal((await rotate(authority)).phase, 'settling')
})

test('a rotation is held when its time is over, says so once, and still goes on', async () => {
  const authority = await open({ rotation: { timeLimitMs: 10_000 } })
  const member = await enroll(authority)
  const { number } = await rotate(authority)
  clock.advance(10_000)
  await authority.advance()
  await authority.advance()
  assert.deepEqual(
    events.filter((event) => event.startsWith('rotation')),
    ['rotation_held'],
  )
  assert.equal((await authority.rotations.find(number)).heldMs, clock.now())
  await acknowledge(authority, member)
  await authority.advance()
  assert.equal((await authority.rotations.find(number)).phase, 'settling')
})

test('a rotation is withdrawn when its time is over, where that is configured, and tried again later', async () => {
  const authority = await open({ rotation: { timeLimitMs: 10_000, onTimeLimit: 'rollback' } })
  const { kid } = authority.issuer.log
  clock.advance(24 * 3_600_000 + 1)
  await enroll(authority)
  await authority.maintain()
  clock.advance(10_000)
  await authority.maintain()
  const [last] = await authority.rotations.list(1)
  assert.deepEqual([last?.outcome, last?.cause], ['withdrawn', 'scheduled'])
  assert.equal(authority.issuer.log.kid, kid)
  assert.equal(statesOf(authority, 'qip-token').split(' ').at(-1), 'published')
  await authority.maintain()
  assert.equal((await authority.rotations.list(1))[0]?.number, last?.number)
  clock.advance(3_600_000)
  await authority.maintain()
  assert.equal((await authority.rotations.list(1))[0]?.number, (last?.number ?? 0) + 1)
})

test('the rotation that waits is the one that is asked for again', async () => {
  const authority = await open()
  await enroll(authority)
  const { number } = await rotate(authority)
  assert.equal((await rotate(authority)).number, number)
  const withdrawn = await authority.rollBack({ use: 'qip-token', reason: 'changed my mind' })
  assert.deepEqual([withdrawn.outcome, withdrawn.detail], ['withdrawn', 'changed my mind'])
  assert.equal(statesOf(authority, 'qip-token'), 'active retired published')
})

test('only the newest rotation can be taken back, and only while the key before may sign', async () => {
  const authority = await open()
  const first = await rotate(authority)
  const second = await rotate(authority)
  assert.equal((await authority.rotations.find(first.number)).outcome, 'completed')
  const back = await authority.rollBack({ use: 'qip-token', reason: 'test' })
  assert.equal(back.number, second.number)
  assert.equal(authority.issuer.log.kid, second.from)
  await assert.rejects(
    authority.rollBack({ use: 'qip-token', reason: 'test' }),
    refusedWith('QIP_AUTHORITY_ROTATION_REFUSED'),
  )
})

test('the private half of an issuing key ends with it, and not before', async () => {
  const authority = await open()
  const { from, to } = await rotate(authority)
  const { custody } = authority.store
  assert.equal((await custody.open(from)).publicKey.kid, from)
  clock.advance(2 * 3_600_000)
  await authority.maintain()
  await assert.rejects(custody.open(from), refusedWith('QIP_AUTHORITY_NOT_FOUND'))
  assert.equal((await custody.open(to)).publicKey.kid, to)
})

test('a planned key is the next standby, and in no bundle before', async () => {
  const authority = await open()
  const { record } = await authority.planKey('qip-jwt')
  await authority.publisher.publishKeys()
  assert.ok(!authority.publisher.bundle.keys.some(({ key }) => key.kid === record.key.kid))
  await rotate(authority, 'qip-jwt')
  assert.equal(authority.keys.find('qip-jwt', 'published')?.record.key.kid, record.key.kid)
})

/** What a verifier of a member says of a probe. */
async function verdictOn(authority: Authority, { token }: Probe): Promise<Reason> {
  const local = await openLocalVerifier(authority)
  const audience = `${td}/quantum-ip/probe`
  const { reason } = await local.verifier.verify({ token, tokenCount: 1, audience })
  local.close()
  return reason
}

test('members that verify probes are asked to before a key signs, and again afterwards', async () => {
  const authority = await open()
  const member = await enroll(authority)
  const { number } = await rotate(authority)
  assert.equal(await acknowledge(authority, member, { probes: true }), undefined)
  await authority.advance()
  const first = await acknowledge(authority, member, { probes: true })
  assert.ok(first)
  assert.equal(
    parseMerkleToken(first.token).keyId,
    authority.keys.find('qip-token', 'published')?.record.keyId,
  )
  const reason = await verdictOn(authority, first)
  assert.equal(reason, 'ok')
  await acknowledge(authority, member, { probes: true, probe: { id: first.id, reason } })
  await authority.advance()
  assert.equal((await authority.rotations.find(number)).phase, 'settling')
  const second = await acknowledge(authority, member, { probes: true })
  assert.ok(second)
  assert.equal(parseMerkleToken(second.token).keyId, authority.issuer.log.keyId)
  assert.equal(await verdictOn(authority, second), 'ok')
  const report = { probes: true, probe: { id: second.id, reason: 'ok' } }
  assert.equal(await acknowledge(authority, member, report), undefined)
})

test('a key that a member cannot verify is withdrawn before it signs', async () => {
  const authority = await open()
  const { kid } = authority.issuer.log
  const member = await enroll(authority)
  const { number } = await rotate(authority)
  await acknowledge(authority, member, { probes: true })
  await authority.advance()
  const probe = await acknowledge(authority, member, { probes: true })
  await acknowledge(authority, member, {
    probes: true,
    probe: { id: probe?.id ?? '', reason: 'signature_invalid' },
  })
  await authority.advance()
  const { outcome, detail } = await authority.rotations.find(number)
  assert.equal(outcome, 'withdrawn')
  assert.match(detail ?? '', /^refused by edge /)
  assert.equal(authority.issuer.log.kid, kid)
  assert.ok(events.includes('rotation_withdrawn'))
})

test('a key that a member cannot verify once it signs is taken back by itself', async () => {
  let authority = await open()
  const { kid } = authority.issuer.log
  const follower = await Follower.start(authority, () => clock.now())
  const { number } = await rotate(authority)
  const tokens = [...(await issue(authority)).tokens]
  // Enrolled later, and over a restart of the authority.
  authority = await restart(authority)
  follower.follow(authority)
  const member = await enroll(authority)
  await acknowledge(authority, member, { probes: true })
  await authority.advance()
  const probe = await acknowledge(authority, member, { probes: true })
  await acknowledge(authority, member, {
    probes: true,
    probe: { id: probe?.id ?? '', reason: 'key_unknown' },
  })
  await authority.advance()
  assert.equal((await authority.rotations.find(number)).outcome, 'rolled-back')
  assert.equal(authority.issuer.log.kid, kid)
  tokens.push(...(await issue(authority)).tokens)
  await authority.publisher.publish()
  await follower.settle()
  assert.ok(tokens.every((token) => follower.holds(token)))
})

test('a probe survives a restart, and its log goes on behind it', async () => {
  let authority = await open()
  const member = await enroll(authority)
  const follower = await Follower.start(authority, () => clock.now())
  const { number } = await rotate(authority)
  await acknowledge(authority, member, { probes: true })
  await authority.advance()
  clock.advance(500)
  authority = await restart(authority)
  follower.follow(authority)
  await authority.advance()
  const probe = await acknowledge(authority, member, { probes: true })
  assert.ok(probe)
  assert.equal(await verdictOn(authority, probe), 'ok')
  await acknowledge(authority, member, { probes: true, probe: { id: probe.id, reason: 'ok' } })
  await authority.advance()
  assert.equal((await authority.rotations.find(number)).phase, 'settling')
  const { tokens } = await issue(authority)
  await authority.publisher.publish()
  await follower.settle()
  // Behind the genesis entry and the probes of both phases.
  assert.ok(parseMerkleToken(tokens[0] ?? '').index >= 2)
  assert.ok(follower.holds(tokens[0] ?? ''))
})
