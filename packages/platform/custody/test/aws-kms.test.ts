import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import { verifySignature } from '@quantum-ip/crypto'
import { type Custody, custodySigner, openAwsKms } from '../src/index.ts'
import { type LocalAwsKms, openLocalAwsKms } from './support/local-aws-kms.ts'

// AWS itself cannot be had here: a local server stands for it. The client is AWS's own, and keys and signatures are real.

let kms: LocalAwsKms
let custody: Custody
const kept = { ...process.env }

before(async () => {
  process.env['AWS_ACCESS_KEY_ID'] = 'AKIATEST'
  process.env['AWS_SECRET_ACCESS_KEY'] = 'a secret of the test'
  kms = await openLocalAwsKms()
  custody = await open()
})
beforeEach(() => {
  kms.store.trouble = undefined
  kms.pageSize = 100
  kms.store.asked()
})
after(async () => {
  process.env = kept
  await custody.close()
  await kms[Symbol.asyncDispose]()
})

const open = (timeoutMs?: number) => openAwsKms({ region: 'eu-central-1', endpoint: kms.url, timeoutMs })
const order = { alg: 'ML-DSA-65', purpose: 'bundle' } as const
const small = utf8('a small message')
const large = new Uint8Array(4_097).fill(7)
const at = 'against a local server that speaks the API of AWS KMS'

for (const alg of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87', 'Ed25519'] as const) {
  test(`${at}, a key of ${alg} is made, tried, found again by its thumbprint, and signs`, async () => {
    const made = await custody.create({ alg, purpose: 'qip-log' })
    assert.deepEqual(kms.store.asked(), ['CreateKey', 'GetPublicKey', 'CreateAlias', 'Sign'])
    const again = await open()
    const signer = await custodySigner(again, made.kid)
    assert.equal(signer.publicKey.alg, alg)
    await verifySignature({ key: made, message: small, signature: await signer.sign(small) })
    await again.close()
  })
}

for (const alg of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const) {
  test(`${at}, ${alg} signs up to 4,096 bytes as they are, and longer messages by their μ`, async () => {
    const { kid } = await custody.create({ alg, purpose: 'bundle' })
    const signer = await custodySigner(custody, kid)
    kms.store.asked()
    for (const message of [large.subarray(1), large]) {
      await verifySignature({ key: signer.publicKey, message, signature: await signer.sign(message) })
    }
    const types = kms.store.requests.map(({ body }) => [
      body['MessageType'],
      Buffer.from(String(body['Message']), 'base64').length,
    ])
    assert.deepEqual(types, [
      ['RAW', 4_096],
      ['EXTERNAL_MU', 64],
    ])
  })
}

test(`${at}, its keys are listed over several pages, and those of others are not`, async () => {
  const all = await custody.list()
  kms.pageSize = 2
  const paged = await custody.list()
  assert.deepEqual(paged, all)
  assert.equal(all.length, 7)
  assert.deepEqual([...new Set(all.map(({ purpose }) => purpose))].sort(), ['bundle', 'qip-log'])
})

test(`${at}, a destroyed key is scheduled for deletion and no longer found`, async () => {
  const { kid } = await custody.create(order)
  kms.store.asked()
  await custody.destroy(kid)
  assert.ok(
    kms.store.requests.some(
      ({ operation, body }) => operation === 'ScheduleKeyDeletion' && body['PendingWindowInDays'] === 7,
    ),
  )
  await assert.rejects(custody.sign(kid, small), { code: 'QIP_CUSTODY_KEY_UNKNOWN' })
  await custody.destroy(kid)
})

test(`${at}, a throttled request is sent again, and one that stays throttled is told`, async () => {
  const { kid } = await custody.create(order)
  kms.store.trouble = 'throttled once'
  kms.store.asked()
  await custody.sign(kid, small)
  assert.deepEqual(kms.store.asked(), ['Sign', 'Sign'])
  kms.store.trouble = 'throttled'
  await assert.rejects(custody.sign(kid, small), { code: 'QIP_CUSTODY_SERVICE_THROTTLED', fault: 'busy' })
  assert.equal(kms.store.asked().length, 4)
})

test(`${at}, a request that is not answered ends in time`, async () => {
  const { kid } = await custody.create(order)
  const hasty = await open(150)
  await hasty.publicKey(kid)
  kms.store.trouble = 'silent'
  await assert.rejects(hasty.sign(kid, small), { code: 'QIP_CUSTODY_SERVICE_UNAVAILABLE', fault: 'busy' })
  await hasty.close()
})

test(`${at}, what it denies, cannot do now or holds disabled is told apart`, async () => {
  const { kid } = await custody.create(order)
  kms.store.trouble = 'denied'
  await assert.rejects(custody.sign(kid, small), { code: 'QIP_CUSTODY_SERVICE_DENIED', next: /kms:Sign/ })
  kms.store.trouble = 'broken'
  await assert.rejects(custody.sign(kid, small), { code: 'QIP_CUSTODY_SERVICE_UNAVAILABLE' })
  kms.store.trouble = undefined
  const held = [...kms.store.keys.values()].find(({ key }) => key.publicKey.kid === kid)
  for (const state of ['Disabled', 'PendingDeletion']) {
    held!.state = state
    await assert.rejects(custody.sign(kid, small), { code: 'QIP_CUSTODY_KEY_DISABLED' })
  }
})

test(`${at}, a key that was disabled there does not hide the others`, async () => {
  const [one, other] = [await custody.create(order), await custody.create(order)]
  for (const held of kms.store.keys.values()) if (held.key.publicKey.kid === one.kid) held.state = 'Disabled'
  const again = await open()
  assert.equal((await again.publicKey(other.kid)).kid, other.kid)
  await assert.rejects(again.publicKey(one.kid), { code: 'QIP_CUSTODY_KEY_UNKNOWN' })
})

test(`${at}, a wrong signature and a key behind another's name are never used`, async () => {
  const { kid } = await custody.create(order)
  kms.store.trouble = 'wrong signature'
  for (const message of [small, large]) {
    await assert.rejects(custody.sign(kid, message), { code: 'QIP_CUSTODY_SERVICE_FAULTY', fault: 'defect' })
  }
  await assert.rejects(custody.create(order), { code: 'QIP_CUSTODY_SERVICE_FAULTY' })
  kms.store.trouble = 'wrong key'
  await assert.rejects((await open()).publicKey(kid), { code: 'QIP_CUSTODY_SERVICE_FAULTY' })
})

test(`${at}, algorithms that it does not have are refused without asking it`, async () => {
  await assert.rejects(custody.create({ alg: 'SLH-DSA-SHA2-128s', purpose: 'root' }), {
    code: 'QIP_CUSTODY_ALGORITHM_REFUSED',
  })
  assert.deepEqual(kms.store.asked(), [])
  const { kid } = await custody.create({ alg: 'Ed25519', purpose: 'qip-log' })
  await assert.rejects(custody.sign(kid, large), { code: 'QIP_CUSTODY_SERVICE_REFUSED' })
})

test('nobody is asked where nothing listens, and it says so', async () => {
  const nowhere = await openAwsKms({
    region: 'eu-central-1',
    endpoint: 'http://127.0.0.1:1',
    timeoutMs: 2_000,
  })
  await assert.rejects(nowhere.list(), { code: 'QIP_CUSTODY_SERVICE_UNAVAILABLE' })
})
