import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import { verifySignature } from '@quantum-ip/crypto'
import { type Custody, openVaultTransit } from '../src/index.ts'
import { type LocalVault, openLocalVault } from './support/local-vault.ts'

// Vault Enterprise, which alone has ML-DSA, cannot be had here: a local server stands for it. Keys and signatures are real.

let vault: LocalVault
let custody: Custody
let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-vault-'))
  await writeFile(join(folder, 'token'), 'hvs.test\n')
  vault = await openLocalVault()
  custody = await open()
})
beforeEach(() => {
  vault.store.trouble = undefined
  vault.isOpenBao = false
  vault.store.asked()
})
after(async () => {
  await custody.close()
  await vault[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const open = (timeoutMs?: number) =>
  openVaultTransit({ url: vault.url, tokenFile: join(folder, 'token'), timeoutMs })
const order = { alg: 'ML-DSA-65', purpose: 'bundle' } as const
const message = utf8('a message')
const at = "against a local server that speaks the API of Vault's transit engine"

test(`${at}, there are no keys at first`, async () => {
  assert.deepEqual(await custody.list(), [])
})

for (const alg of ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87', 'Ed25519'] as const) {
  test(`${at}, a key of ${alg} is made, tried, found again, and signs messages of any length`, async () => {
    const made = await custody.create({ alg, purpose: 'qip-log' })
    assert.deepEqual(vault.store.asked(), ['POST keys', 'GET keys', 'POST sign'])
    const again = await open()
    for (const long of [message, new Uint8Array(100_000)]) {
      await verifySignature({ key: made, message: long, signature: await again.sign(made.kid, long) })
    }
    assert.ok(
      (await again.list()).some(
        ({ publicKey, purpose }) => publicKey.kid === made.kid && purpose === 'qip-log',
      ),
    )
    await again.close()
  })
}

test(`${at}, a destroyed key is gone`, async () => {
  const { kid } = await custody.create(order)
  await custody.destroy(kid)
  await assert.rejects(custody.sign(kid, message), { code: 'QIP_CUSTODY_KEY_UNKNOWN' })
})

test(`${at}, throttled requests are sent again, and the rest is told apart`, async () => {
  const { kid } = await custody.create(order)
  vault.store.trouble = 'throttled once'
  vault.store.asked()
  await custody.sign(kid, message)
  assert.deepEqual(vault.store.asked(), ['POST sign', 'POST sign'])
  for (const [trouble, code] of [
    ['throttled', 'QIP_CUSTODY_SERVICE_THROTTLED'],
    ['denied', 'QIP_CUSTODY_SERVICE_DENIED'],
    ['broken', 'QIP_CUSTODY_SERVICE_UNAVAILABLE'],
    ['wrong signature', 'QIP_CUSTODY_SERVICE_FAULTY'],
  ] as const) {
    vault.store.trouble = trouble
    await assert.rejects(custody.sign(kid, message), { code }, trouble)
  }
  vault.store.trouble = undefined
  for (const held of vault.store.keys.values())
    if (held.key.publicKey.kid === kid) held.state = 'SOFT DELETED'
  await assert.rejects(custody.sign(kid, message), { code: 'QIP_CUSTODY_KEY_DISABLED' })
})

test(`${at}, a request that is not answered ends in time`, async () => {
  const { kid } = await custody.create(order)
  const hasty = await open(150)
  await hasty.publicKey(kid)
  vault.store.trouble = 'silent'
  await assert.rejects(hasty.sign(kid, message), { code: 'QIP_CUSTODY_SERVICE_UNAVAILABLE' })
})

test('an answer that never ends is read up to the limit and no further', async () => {
  let sent = 0
  const closed = Promise.withResolvers<void>()
  const endless = createServer((_request, reply) => {
    const send = () => {
      while (!reply.destroyed && reply.write(Buffer.alloc(65_536, 0x20))) sent += 65_536
    }
    reply.on('drain', send).on('close', closed.resolve)
    send()
  })
  await new Promise<void>((listening) => endless.listen(0, '127.0.0.1', listening))
  const url = `http://127.0.0.1:${(endless.address() as AddressInfo).port}`
  const misled = await openVaultTransit({ url, tokenFile: join(folder, 'token') })
  await assert.rejects(misled.list(), { code: 'QIP_CUSTODY_SERVICE_FAULTY', message: /too long/ })
  await closed.promise
  // What the kernel holds on the way is sent and never read.
  assert.ok(sent < 64 * 1_048_576, `${sent} bytes`)
  await misled.close()
  await new Promise((done) => endless.close(done))
})

test(`${at}, a key that it swaps is not found, for its thumbprint is another`, async () => {
  const { kid } = await custody.create(order)
  vault.store.trouble = 'wrong key'
  await assert.rejects((await open()).publicKey(kid), { code: 'QIP_CUSTODY_KEY_UNKNOWN' })
})

test(`${at}, an engine without ML-DSA says so`, async () => {
  vault.isOpenBao = true
  await assert.rejects(custody.create(order), {
    code: 'QIP_CUSTODY_SERVICE_REFUSED',
    message: /unknown key type/,
  })
  assert.equal((await custody.create({ alg: 'Ed25519', purpose: 'qip-log' })).alg, 'Ed25519')
})

test(`${at}, the token is read anew for each request, as an agent renews it`, async () => {
  const { kid } = await custody.create(order)
  vault.token = 'hvs.renewed'
  await assert.rejects(custody.sign(kid, message), { code: 'QIP_CUSTODY_SERVICE_DENIED' })
  await writeFile(join(folder, 'token'), 'hvs.renewed\n')
  await custody.sign(kid, message)
})
