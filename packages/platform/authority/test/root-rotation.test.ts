import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { systemClock, systemRandom } from '@quantum-ip/base'
import {
  admit,
  openSession,
  openTransport,
  openTrustFollower,
  requestJson,
  type TrustFollower,
} from '@quantum-ip/client'
import { formatEnvelope, generatePrivateKey, type Signer } from '@quantum-ip/crypto'
import { pinsOf, type RootDocument, signRootDocument, TrustStore } from '@quantum-ip/trust'
import { type Authority, type AuthorityServer, createJoinToken, serveAuthority } from '../src/index.ts'
import { issue, openIn, post, shop, td } from './support.ts'

// A running authority and a verifier that follows it over HTTP.

let folder: string
let authority: Authority
let server: AuthorityServer
let follower: TrustFollower
const closing: (() => unknown)[] = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-root-'))
  authority = await openIn(folder, { headIntervalMs: 20, heartbeatMs: 100 })
  server = await serveAuthority({
    authority,
    listeners: [{ host: '127.0.0.1', port: 0 }, { path: join(folder, 'admin.sock') }],
  })
  follower = await follow()
})

after(async () => {
  for (const close of closing.reverse()) await close()
  await server.close()
  await authority.close()
  await rm(folder, { recursive: true })
})

/** A verifier that is pinned to the root keys of the first day, whatever came later. */
async function follow(pins = pinsOf(authority.root)): Promise<TrustFollower> {
  const url = server.bound.find(({ port }) => port !== 0)?.url ?? ''
  const transport = openTransport({ url })
  const ground = { sql: authority.store.sql, clock: systemClock, random: systemRandom, td }
  const order = { sid: `${td}/ns/prod/sa/gateway`, builds: [], role: 'verifier' as const, ttlS: 60 }
  const { token } = await createJoinToken(ground, order)
  const admission = await admit(transport, { method: 'join-token', evidence: { token } })
  const session = openSession({ transport, admission })
  const opened = await openTrustFollower({
    session,
    store: new TrustStore({ td, pins }),
    point: 'test',
    timing: { gapJitterMs: 10, reconnectMs: 20, pollMs: 50, acknowledgeMs: 20 },
  })
  closing.push(async () => {
    await opened.close()
    session.close()
    await transport.close()
  })
  return opened
}

/** Looks at a follower in every turn of the event loop until `work` is done; returns each reason not to rely on it. */
async function watched(
  follower: TrustFollower,
  work: () => Promise<unknown>,
): Promise<readonly (string | undefined)[]> {
  const seen = new Set<string | undefined>()
  const watch = { isDone: false }
  const doing = work().finally(() => (watch.isDone = true))
  while (!watch.isDone) {
    seen.add(
      follower.status().staleness ??
        (follower.store.keysOf('qip-token').length === 0 ? 'no keys' : undefined),
    )
    await new Promise((resolve) => setImmediate(resolve))
  }
  await doing
  return [...seen]
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}

async function rootSigners(): Promise<readonly Signer[]> {
  return Promise.all(authority.root.roots.map(({ kid }) => authority.store.custody.open(kid)))
}

const custodians = Array.from({ length: 3 }, () => generatePrivateKey('ML-DSA-87'))

function successor(change: Partial<RootDocument>): RootDocument {
  return { ...authority.root, sequence: authority.root.sequence + 1, ...change }
}

async function install(document: RootDocument, signers: readonly Signer[]): Promise<void> {
  await authority.installRoot(formatEnvelope(await signRootDocument(document, signers)))
}

test('root keys, threshold and bundle key all change at once, and a live verifier never loses trust', async () => {
  const first = pinsOf(authority.root)
  const old = await rootSigners()
  const added = await authority.createBundleKey()
  const document = successor({
    roots: custodians.map(({ publicKey }) => publicKey),
    threshold: 2,
    bundleKeys: [added],
  })
  const seen = await watched(follower, async () => {
    await issue(authority)
    await install(document, [...old, ...custodians.slice(0, 2)])
    await until(
      () =>
        follower.store.root?.sequence === 2 &&
        follower.store.state?.bundle.sequence === authority.publisher.bundle.sequence,
    )
  })
  assert.deepEqual(seen, [undefined])
  assert.equal(follower.store.root?.threshold, 2)
  assert.equal(follower.status().feedsLost, 0)
  const { tokens } = await issue(authority)
  const url = `${server.bound.find(({ port }) => port !== 0)?.url}`
  const admin = (await readFile(server.firstAdminFile ?? '', 'utf8')).trim()
  // The verifier inside of the authority went along, too.
  const body = { tokens: [{ token: tokens[0], audience: shop }] }
  const judged = await post(url, '/v1/verify', { body, bearer: admin })
  assert.match(judged.text, /"status":"verified"|"reason":"ok/)
  // A verifier that starts now, still pinned to the keys of the first day, finds its way; one pinned to the new ones, too.
  for (const pins of [first, pinsOf(authority.root)]) {
    const late = await follow(pins)
    assert.deepEqual([late.status().staleness, late.store.root?.sequence], [undefined, 2])
  }
})

test('a document that the thresholds before and after it did not sign is refused, and nothing changes', async () => {
  const document = successor({ threshold: 1 })
  const stranger = generatePrivateKey('ML-DSA-87')
  const before = authority.rootText
  for (const signers of [[custodians[0]], [custodians[0], stranger], [stranger]] as const) {
    await assert.rejects(install(document, signers as readonly Signer[]), {
      code: 'QIP_AUTHORITY_ROOT_REFUSED',
    })
  }
  const own = custodians.slice(0, 2)
  await assert.rejects(install(successor({ bundleKeys: [generatePrivateKey('ML-DSA-65').publicKey] }), own), {
    code: 'QIP_AUTHORITY_ROOT_REFUSED',
    message: /0 of them are here/,
  })
  await assert.rejects(install({ ...document, sequence: 2 }, own), { code: 'QIP_AUTHORITY_ROOT_REFUSED' })
  await assert.rejects(install(successor({ expires: 1_000 }), own), { code: 'QIP_AUTHORITY_ROOT_REFUSED' })
  await assert.rejects(authority.installRoot('{}'), { code: 'QIP_AUTHORITY_ROOT_REFUSED' })
  assert.equal(authority.rootText, before)
})

test('a bundle may need the signatures of two bundle keys', async () => {
  const added = await authority.createBundleKey()
  const bundleKeys = [...authority.root.bundleKeys, added]
  const seen = await watched(follower, async () => {
    await install(successor({ bundleKeys, bundleThreshold: 2 }), custodians.slice(1))
    await until(() => follower.store.root?.sequence === 3 && follower.store.bundle?.rootSequence === 3)
  })
  assert.deepEqual(seen, [undefined])
})

test('over HTTP it takes a key custodian, and the act is recorded', async () => {
  const url = server.bound.find(({ port }) => port !== 0)?.url ?? ''
  assert.equal((await post(url, '/v1/root', { body: { envelope: '{}' } })).status, 401)
  const signed = await signRootDocument(successor({}), custodians.slice(0, 2))
  const transport = openTransport({ url: `unix:${join(folder, 'admin.sock')}` })
  closing.push(() => transport.close())
  const target = '/v1/root'
  const install = (envelope: string) =>
    requestJson(transport, { operation: 'a test', method: 'POST', target, json: { envelope } })
  const installed = (await install(formatEnvelope(signed))) as { sequence: number }
  assert.equal(installed.sequence, 4)
  await assert.rejects(install('{"x":1}'), { code: 'QIP_CLIENT_AUTHORITY_REFUSED' })
  const held = (await requestJson(transport, {
    operation: 'a test',
    method: 'GET',
    target: '/v1/root/bundle-keys',
  })) as unknown as { bundleKeys: { listed: boolean }[] }
  assert.deepEqual(
    held.bundleKeys.map(({ listed }) => listed),
    [false, true, true],
  )
  assert.deepEqual(
    (await authority.acts.list(1)).map(({ act }) => act),
    ['install-root'],
  )
})

test('a restarted authority goes on under the newest document, with the bundle key that it lists', async () => {
  const place = await mkdtemp(join(tmpdir(), 'qip-root-again-'))
  const first = await openIn(place)
  const signers = await Promise.all(first.root.roots.map(({ kid }) => first.store.custody.open(kid)))
  const added = await first.createBundleKey()
  const document = { ...first.root, sequence: 2, bundleKeys: [added] }
  await first.installRoot(formatEnvelope(await signRootDocument(document, signers)))
  await first.close()
  const again = await openIn(place)
  assert.equal(again.root.sequence, 2)
  const trust = new TrustStore({ td, pins: pinsOf(again.root) })
  await trust.applyRoot({ envelope: again.rootText, timeMs: Date.now() })
  await trust.applyBundle({ envelope: again.publisher.bundleText, timeMs: Date.now() })
  assert.equal(trust.bundle?.rootSequence, 2)
  await again.close()
  await rm(place, { recursive: true })
})
