import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { base64url, isQipError } from '@quantum-ip/base'
import { admit, openSession, requestJson, type Admission } from '../src/index.ts'
import { TestAuthority } from './support/authority.ts'
import { admitted, connect } from './support/client.ts'
import { RecordedDomain } from './support/domain.ts'
import { until } from './support/until.ts'

// The authority of these tests is a small HTTP server over a real trust domain in memory.

const domain = await RecordedDomain.open()
const authority = new TestAuthority(domain)
await authority.listen()
const transport = connect(authority)
test.after(async () => {
  await transport.close()
  await authority.stop()
})

const decisions = {
  operation: 'a test',
  method: 'POST',
  target: '/v1/decisions',
  json: { records: [] },
} as const

test('is admitted by a join token, with a key that only this process can open', async () => {
  const admission = await admit(transport, { method: 'join-token', evidence: { token: 'qipj1.x' } })
  const known = authority.sessions.get(admission.id)
  assert.deepEqual(Buffer.from(admission.key), Buffer.from(known?.key ?? []))
  const { id: _, ...visible } = admission
  assert.deepEqual(visible, {
    sid: domain.web,
    role: 'workload',
    builds: [{ digest: 'ab'.repeat(32), evidence: 0, attestation: [1, 7] }],
    expiresS: domain.nowS() + 3_600,
    warnings: [],
  })
  const sent = JSON.parse(authority.received.at(-1)?.body ?? '') as { key: { alg: string; priv?: string } }
  assert.equal(sent.key.alg, 'X-Wing')
  assert.equal(sent.key.priv, undefined)
})

test('passes on why nobody was admitted, without the evidence', async () => {
  await assert.rejects(admit(transport, { method: 'join-token', evidence: { token: 'wrong' } }), (error) => {
    assert.ok(isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED'))
    assert.match(error.message, /admission \(403\): not admitted: the join token is unknown/)
    assert.ok(!inspect(error).includes('wrong'))
    return true
  })
})

test('refuses an admission that is not sealed to its key, or not one', async () => {
  const good = {
    session: 'AAAAAAAAAAAAAAAAAAAAAA',
    sealedKey: base64url(new Uint8Array(1_168)),
    sid: domain.web,
    role: 'workload',
    builds: [],
    expires: 1,
  }
  const cases = [
    [good, 'QIP_CLIENT_ADMISSION_UNREADABLE'],
    [{ ...good, sealedKey: '===' }, 'QIP_CLIENT_ADMISSION_UNREADABLE'],
    [{ ...good, session: 'short' }, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'],
    [{ ...good, sid: 'web' }, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'],
    [{ ...good, role: 'admin' }, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'],
    [{ ...good, builds: [{ digest: 'x', evidence: 0 }] }, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'],
    [{ ...good, expires: '1' }, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'],
  ] as const
  for (const [json, code] of cases) {
    authority.fault('/v1/workloads', { json })
    await assert.rejects(admit(transport, { method: 'join-token', evidence: {} }), (error) =>
      isQipError(error, code),
    )
  }
})

test('proves every request, and shows its key nowhere', async () => {
  const admission = admitted(authority)
  using session = openSession({ transport, admission, clock: domain.clock })
  assert.deepEqual(await requestJson(session, decisions), Object.assign(Object.create(null), { accepted: 0 }))
  assert.equal(authority.received.at(-1)?.session?.id, admission.id)
  const shown =
    inspect([session, admission, { ...admission }], { depth: 9 }) + JSON.stringify([session, admission])
  for (const secret of [base64url(admission.key), admission.key[0] + ', ' + admission.key[1]]) {
    assert.ok(!shown.includes(secret))
  }
  session.close()
  assert.equal(session.admission.key.length, 0)
  await assert.rejects(requestJson(session, decisions), (error) => isQipError(error, 'QIP_CLIENT_CLOSED'))
})

test('is refused without a way to be admitted again', async () => {
  const admission = admitted(authority)
  authority.sessions.delete(admission.id)
  using session = openSession({ transport, admission, clock: domain.clock })
  await assert.rejects(requestJson(session, decisions), (error) =>
    isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED'),
  )
})

function renewing(admission: Admission, readmit: () => Promise<Admission>) {
  return openSession({ transport, admission, readmit, clock: domain.clock })
}

test('is admitted again when the authority does not know the session, once for all who ask', async () => {
  const admission = admitted(authority)
  authority.sessions.delete(admission.id)
  let admissions = 0
  using session = renewing(admission, async () => {
    admissions++
    return admitted(authority)
  })
  await Promise.all(Array.from({ length: 20 }, () => requestJson(session, decisions)))
  assert.equal(admissions, 1)
  assert.notEqual(session.admission.id, admission.id)
})

test('is not admitted again and again where that does not help', async () => {
  const admission = admitted(authority)
  authority.sessions.delete(admission.id)
  let admissions = 0
  using session = renewing(admission, async () => {
    admissions++
    const next = admitted(authority)
    authority.sessions.delete(next.id)
    return next
  })
  for (let i = 0; i < 3; i++) {
    await assert.rejects(requestJson(session, decisions), (error) =>
      isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED'),
    )
  }
  assert.equal(admissions, 1)
})

test('is renewed before it ends, without anybody waiting, and at its end with', async () => {
  const first = admitted(authority, 'workload', 100)
  const asked: ((admission: Admission) => void)[] = []
  using session = renewing(first, () => new Promise((resolve) => asked.push(resolve)))
  await requestJson(session, decisions)
  assert.equal(asked.length, 0)
  domain.clock.advance(41_000)
  await requestJson(session, decisions)
  assert.equal(session.admission, first)
  assert.equal(asked.length, 1)
  const second = admitted(authority, 'workload', 100)
  asked[0]?.(second)
  await requestJson(session, decisions)
  assert.equal(session.admission, second)
  domain.clock.advance(101_000)
  const waiting = requestJson(session, decisions)
  await new Promise((resolve) => setImmediate(resolve))
  const third = admitted(authority, 'workload', 100)
  asked[1]?.(third)
  await waiting
  assert.equal(session.admission, third)
})

test('a failing admission reaches the caller, and is not tried by every one of them', async () => {
  const admission = admitted(authority, 'workload', 10)
  let attempts = 0
  using session = renewing(admission, async () => {
    attempts++
    throw new Error('the join token was used up')
  })
  domain.clock.advance(11_000)
  for (let i = 0; i < 5; i++) await assert.rejects(requestJson(session, decisions), /used up/)
  assert.equal(attempts, 1)
  domain.clock.advance(2_000)
  await assert.rejects(requestJson(session, decisions), /used up/)
  assert.equal(attempts, 2)
})

test('passes on a refusal for another reason', async () => {
  let admissions = 0
  using session = renewing(admitted(authority), async () => {
    admissions++
    return admitted(authority)
  })
  authority.fault('/v1/decisions', authority.problem(403, 'QIP_HTTP_ROLE', 'a workload uploads no decisions'))
  await assert.rejects(requestJson(session, decisions), /uploads no decisions/)
  assert.equal(admissions, 0)
})

test('renews itself before it ends, without evidence', async () => {
  const admission = admitted(authority, 'workload', 30)
  using session = openSession({ transport, admission, clock: domain.clock })
  await requestJson(session, decisions)
  await until('the session was renewed', () => session.admission.id !== admission.id)
  await requestJson(session, decisions)
  assert.equal(authority.received.at(-1)?.session?.id, session.admission.id)
  assert.equal(session.admission.expiresS, domain.nowS() + 3_600)
})
