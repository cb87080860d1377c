import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { hex, isQipError } from '@quantum-ip/base'
import { policyKeys, type PolicyRollout, verifyPolicyRollout, verifyPolicyText } from '@quantum-ip/trust'
import type { Authority } from '../src/index.ts'
import { readRollouts } from '../src/policies/policy-rows.ts'
import { copyData, Follower, openIn, placesIn, td } from './support.ts'

let folder = ''
const opened: Authority[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-policies-'))
})

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close()
  await rm(folder, { recursive: true })
})

async function open(place = folder): Promise<Authority> {
  const authority = await openIn(place)
  opened.push(authority)
  return authority
}

async function close(authority: Authority): Promise<void> {
  opened.splice(opened.indexOf(authority), 1)
  await authority.close()
}

/** A policy; what it says is of no account here. */
function policyText(version: number, mode = 'enforce', name = 'shop'): string {
  return `apiVersion: quantum-ip.dev/v1
kind: Policy
metadata: { name: ${name}, version: ${version} }
spec:
  mode: ${mode}
  default: { verified: allow, missing: reject, invalid: reject, unverifiable: reject }
`
}

function publish(authority: Authority, text: string, activate = false): Promise<{ document: PolicyRollout }> {
  return authority.promotions.publish({ text, comment: '', by: 'alice', activate })
}

const refusedWith = (code: string) => (error: unknown) => isQipError(error, code)

test('the first version of a policy is in force at once, a later one decides in shadow, and states say which', async () => {
  const authority = await open()
  const follower = await Follower.start(authority)
  assert.equal(follower.trust.policy('shop'), undefined)
  const first = await publish(authority, policyText(1))
  assert.deepEqual([first.document.active.version, first.document.candidate], [1, undefined])
  const second = await publish(authority, policyText(2))
  assert.deepEqual([second.document.active.version, second.document.candidate?.version], [1, 2])
  await follower.settle()
  assert.equal(follower.trust.policy('shop')?.version, second.document.number)
  const third = await publish(authority, policyText(3), true)
  assert.deepEqual([third.document.active.version, third.document.candidate], [3, undefined])
})

test('a version never changes, and none comes before one that is published', async () => {
  const authority = await open()
  await publish(authority, policyText(4))
  const refused = refusedWith('QIP_AUTHORITY_POLICY_REFUSED')
  await assert.rejects(publish(authority, policyText(4, 'monitor')), refused)
  await assert.rejects(publish(authority, policyText(3)), refused)
  await assert.rejects(publish(authority, policyText(4)), refused)
  await publish(authority, policyText(5))
  const again = await publish(authority, policyText(5))
  assert.equal(again.document.candidate?.version, 5)
})

test('what does not compile is not published', async () => {
  const authority = await open()
  const wrong = policyText(1).replace('verified: allow', 'verified: alow')
  await assert.rejects(publish(authority, wrong), refusedWith('QIP_POLICY_VALUE_INVALID'))
  assert.deepEqual(authority.policies.list(), [])
})

test('every record is signed by a policy key of the bundle and names the one before: the history cannot be rewritten', async () => {
  const authority = await open()
  const follower = await Follower.start(authority)
  for (const version of [1, 2, 3]) await publish(authority, policyText(version), version === 3)
  await follower.settle()
  const keys = policyKeys(follower.trust)
  assert.ok(keys.length > 0)
  const history = (await readRollouts(authority.store.sql, 'shop', 10)).toReversed()
  let before: Uint8Array | undefined
  for (const { envelope } of history) {
    const { document, sha256 } = await verifyPolicyRollout({ envelope, td, keys })
    assert.deepEqual(document.previous, before)
    before = sha256
    const version = await authority.policies.version('shop', document.active.version)
    const text = await verifyPolicyText({ envelope: version.envelope, td, keys })
    assert.deepEqual(text.sha256, document.active.sha256)
    assert.equal(text.document.text, policyText(document.active.version))
  }
  assert.deepEqual(follower.trust.policy('shop')?.sha256, before)
})

test('a restored store hands out no number again that verifiers saw, and they follow it', async () => {
  const authority = await open()
  const follower = await Follower.start(authority)
  await publish(authority, policyText(1))
  await close(authority)
  await copyData(placesIn(folder).folder, join(folder, 'backup'))
  const lost = await open()
  follower.follow(lost)
  const seen = await publish(lost, policyText(2), true)
  await follower.settle()
  await close(lost)
  await copyData(join(folder, 'backup'), placesIn(folder).folder)
  const restored = await open()
  const [confirmed] = restored.policies.list()
  assert.deepEqual([confirmed?.document.action, confirmed?.document.active.version], ['confirm', 1])
  assert.ok((confirmed?.document.number ?? 0) > seen.document.number)
  follower.follow(restored)
  await follower.settle()
  assert.equal(follower.trust.policy('shop')?.version, confirmed?.document.number)
})

test('what a compromised key signed is signed again, with a new record of it', async () => {
  const authority = await open()
  const follower = await Follower.start(authority)
  const { document } = await publish(authority, policyText(1))
  const kid = authority.keys.find('qip-policy', 'active')?.record.key.kid ?? ''
  await authority.revoke({ kind: 'key', value: kid, reason: 'drill' })
  await authority.maintain()
  await follower.settle()
  const { document: now, envelope } = authority.policies.current('shop')
  assert.deepEqual([now.action, now.active.version], ['sign-again', 1])
  assert.ok(now.number > document.number)
  const keys = policyKeys(follower.trust)
  assert.ok(keys.every((key) => key.kid !== kid))
  await verifyPolicyRollout({ envelope, td, keys })
  const version = await authority.policies.version('shop', 1)
  const text = await verifyPolicyText({ envelope: version.envelope, td, keys })
  assert.equal(hex(text.sha256), hex(now.active.sha256))
})

test('a version that comes back is signed again if its key was stolen meanwhile', async () => {
  const authority = await open()
  const follower = await Follower.start(authority)
  await publish(authority, policyText(1))
  await publish(authority, policyText(2), true)
  const kid = authority.keys.find('qip-policy', 'active')?.record.key.kid ?? ''
  await authority.revoke({ kind: 'key', value: kid, reason: 'drill' })
  await authority.maintain()
  const { document } = await authority.promotions.takeBack({ name: 'shop', by: 'alice', reason: 'test' })
  assert.equal(document.active.version, 1)
  await follower.settle()
  const version = await authority.policies.version('shop', 1)
  const text = await verifyPolicyText({ envelope: version.envelope, td, keys: policyKeys(follower.trust) })
  assert.equal(hex(text.sha256), hex(document.active.sha256))
})

test('a rollback that comes while a stolen key is replaced stays', async () => {
  const authority = await open()
  await publish(authority, policyText(1))
  await publish(authority, policyText(2), true)
  const kid = authority.keys.find('qip-policy', 'active')?.record.key.kid ?? ''
  await authority.revoke({ kind: 'key', value: kid, reason: 'drill' })
  const back = { name: 'shop', by: 'alice', reason: 'test' }
  await Promise.all([
    authority.policies.signAgain(),
    authority.policies.roll('shop', {
      ...back,
      action: 'rollback',
      active: activeOf(1),
      candidate: undefined,
    }),
    authority.policies.signAgain(),
  ])
  assert.equal(authority.policies.current('shop').document.active.version, 1)
})

const activeOf = (version: number) => ({ version, mode: undefined, share: 0 })
