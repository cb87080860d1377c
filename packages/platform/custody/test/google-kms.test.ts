import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import { verifySignature } from '@quantum-ip/crypto'
import { type Custody, openGoogleKms } from '../src/index.ts'
import { keyRing, type LocalGoogleKms, openLocalGoogleKms } from './support/local-google-kms.ts'

// Google Cloud itself cannot be had here: a local server stands for it. The client is Google's own, and keys and signatures are real.

let kms: LocalGoogleKms
let custody: Custody
let folder: string
const kept = { ...process.env }

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-google-'))
  kms = await openLocalGoogleKms()
  await writeFile(join(folder, 'credentials.json'), kms.credentials)
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(folder, 'credentials.json')
  custody = await open()
})
beforeEach(() => {
  kms.store.trouble = undefined
  kms.store.asked()
})
after(async () => {
  await custody.close()
  await kms[Symbol.asyncDispose]()
  process.env = kept
  await rm(folder, { recursive: true })
})

const open = (timeoutMs?: number) => openGoogleKms({ keyRing, endpoint: kms.url, timeoutMs })
const order = { alg: 'ML-DSA-65', purpose: 'bundle' } as const
const message = utf8('a message')
const at = 'against a local server that speaks the API of Google Cloud KMS'

for (const alg of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87', 'Ed25519'] as const) {
  test(`${at}, a key of ${alg} is made, waited for, tried, found again, and signs`, async () => {
    const made = await custody.create({ alg, purpose: 'qip-log' })
    const again = await open()
    const signature = await again.sign(made.kid, message)
    await verifySignature({ key: made, message, signature })
    assert.ok(
      (await again.list()).some(
        ({ publicKey, purpose }) => publicKey.kid === made.kid && purpose === 'qip-log',
      ),
    )
    await again.close()
  })
}

for (const alg of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const) {
  test(`${at}, ${alg} signs messages of any length by their μ`, async () => {
    const made = await custody.create({ alg, purpose: 'bundle' })
    const large = new Uint8Array(200_000).fill(7)
    await verifySignature({ key: made, message: large, signature: await custody.sign(made.kid, large) })
    const sent = kms.store.requests.at(-1)?.body as { digest: { externalMu: string } } | undefined
    assert.equal(Buffer.from(sent?.digest.externalMu ?? '', 'base64').length, 64)
  })
  test(`${at}, a key of ${alg} that was made by hand to sign messages does so, up to 64 KiB`, async () => {
    const held = kms.store.create(
      alg,
      `PQ_SIGN_${alg.replaceAll('-', '_')}`,
      { 'quantum-ip': 'bundle' },
      `quantum-ip-${alg}`,
    )
    const { publicKey } = held.key
    await verifySignature({ key: publicKey, message, signature: await custody.sign(publicKey.kid, message) })
    await assert.rejects(custody.sign(publicKey.kid, new Uint8Array(65_537)), {
      code: 'QIP_CUSTODY_SERVICE_REFUSED',
    })
  })
}

test(`${at}, keys of others in the same ring are left alone`, async () => {
  const { key } = kms.store.create('ML-DSA-65', 'PQ_SIGN_ML_DSA_65', { team: 'other' }, 'another-key')
  await assert.rejects(custody.publicKey(key.publicKey.kid), { code: 'QIP_CUSTODY_KEY_UNKNOWN' })
})

test(`${at}, a destroyed key is scheduled for destruction and no longer found`, async () => {
  const { kid } = await custody.create(order)
  await custody.destroy(kid)
  await assert.rejects(custody.sign(kid, message), { code: 'QIP_CUSTODY_KEY_UNKNOWN' })
})

test(`${at}, what it throttles, denies, cannot do now or holds disabled is told apart`, async () => {
  const { kid } = await custody.create(order)
  for (const [trouble, code] of [
    ['throttled', 'QIP_CUSTODY_SERVICE_THROTTLED'],
    ['denied', 'QIP_CUSTODY_SERVICE_DENIED'],
    ['broken', 'QIP_CUSTODY_SERVICE_UNAVAILABLE'],
    ['wrong signature', 'QIP_CUSTODY_SERVICE_FAULTY'],
  ] as const) {
    kms.store.trouble = trouble
    await assert.rejects(custody.sign(kid, message), { code }, trouble)
  }
  kms.store.trouble = undefined
  for (const held of kms.store.keys.values()) if (held.key.publicKey.kid === kid) held.state = 'DISABLED'
  await assert.rejects(custody.sign(kid, message), { code: 'QIP_CUSTODY_KEY_DISABLED' })
})

test(`${at}, a request that failed for the moment is sent again`, async () => {
  const { kid } = await custody.create(order)
  kms.store.trouble = 'throttled once'
  kms.store.asked()
  await custody.sign(kid, message)
  assert.deepEqual(kms.store.asked(), ['asymmetricSign', 'asymmetricSign'])
})

test(`${at}, a request that is not answered ends in time`, async () => {
  const { kid } = await custody.create(order)
  const hasty = await open(400)
  await hasty.publicKey(kid)
  kms.store.trouble = 'silent'
  await assert.rejects(hasty.sign(kid, message), { code: 'QIP_CUSTODY_SERVICE_UNAVAILABLE' })
})

test(`${at}, a key that it swaps is not found, for its thumbprint is another`, async () => {
  const { kid } = await custody.create(order)
  kms.store.trouble = 'wrong key'
  await assert.rejects((await open()).publicKey(kid), { code: 'QIP_CUSTODY_KEY_UNKNOWN' })
})
