import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { formatEnvelope, generatePrivateKey, type PrivateKey } from '@quantum-ip/crypto'
import { pinsOf, type RootDocument, signBundle, signRootDocument, TrustStore } from '@quantum-ip/trust'
import { TestAuthority } from '../../test/support/authority.ts'
import { connect, member } from '../../test/support/client.ts'
import { RecordedDomain } from '../../test/support/domain.ts'
import { TrustUpdater } from './trust-updater.ts'

// The authority of these tests is a small HTTP server; the root documents are signed for real.

const domain = await RecordedDomain.open()
const authority = new TestAuthority(domain)
await authority.listen()
const transport = connect(authority)
const session = member(authority, transport)
test.after(async () => {
  await transport.close()
  await authority.stop()
})

const key = Array.from({ length: 6 }, () => generatePrivateKey('ML-DSA-87'))
const bundleKey = generatePrivateKey('ML-DSA-65')
const pair = (n: number) => key.slice(2 * n, 2 * n + 2)

function documentOf(
  sequence: number,
  roots: readonly PrivateKey[],
  bundleKeys: readonly PrivateKey[] = [bundleKey],
): RootDocument {
  return {
    td: domain.td,
    sequence,
    expires: domain.nowS() + 86_400,
    roots: roots.map(({ publicKey }) => publicKey),
    threshold: 2,
    bundleKeys: bundleKeys.map(({ publicKey }) => publicKey),
    bundleThreshold: 1,
  }
}

async function signed(sequence: number, roots: readonly PrivateKey[], before: readonly PrivateKey[] = []) {
  return formatEnvelope(
    await signRootDocument(documentOf(sequence, roots), [...new Set([...roots, ...before])]),
  )
}

// Keys change twice, and once they do not. There is no number 3.
const chain = new Map([
  [1, await signed(1, pair(0))],
  [2, await signed(2, pair(1), pair(0))],
  [4, await signed(4, pair(1))],
  [5, await signed(5, pair(2), pair(1))],
])

function serve(...sequences: number[]): void {
  authority.roots.clear()
  for (const sequence of sequences) authority.roots.set(sequence, chain.get(sequence) ?? '')
}

function open() {
  const store = new TrustStore({ td: domain.td, pins: pinsOf(documentOf(1, pair(0))) })
  return {
    store,
    updater: new TrustUpdater({ url: '', open: session.transport, member: session }, store, domain),
  }
}

test('takes the newest root document where it is the pinned one', async () => {
  serve(1)
  const { store, updater } = open()
  await updater.walkRoot()
  assert.equal(store.root?.sequence, 1)
  const asked = authority.count('/v1/root')
  await updater.walkRoot()
  assert.equal(authority.count('/v1/root'), asked + 1)
})

test('goes back to the pinned root document and forward to the newest, over missing numbers', async () => {
  serve(1, 2, 4, 5)
  const { store, updater } = open()
  await updater.walkRoot()
  assert.equal(store.root?.sequence, 5)
})

test('goes from the held root document to the newest', async () => {
  serve(1)
  const { store, updater } = open()
  await updater.walkRoot()
  serve(1, 2, 4, 5)
  await updater.walkRoot()
  assert.equal(store.root?.sequence, 5)
  // A mirror that lags is nothing to worry about.
  serve(1, 2)
  await updater.walkRoot()
  assert.equal(store.root?.sequence, 5)
})

test('refuses a newest root document that nothing held or pinned leads to', async () => {
  const stranger = Array.from({ length: 2 }, () => generatePrivateKey('ML-DSA-87'))
  const foreign = await signed(6, stranger)
  serve(1, 2)
  const held = open()
  await held.updater.walkRoot()
  const cases = [
    [open(), [2, 4], 'QIP_TRUST_ROOT_NOT_PINNED'],
    [held, [2, 4], 'QIP_TRUST_SIGNATURES_INSUFFICIENT'],
    [held, [], 'QIP_TRUST_SIGNATURES_INSUFFICIENT'],
  ] as const
  for (const [{ updater }, sequences, code] of cases) {
    serve(...sequences)
    authority.roots.set(6, foreign)
    await assert.rejects(updater.walkRoot(), (error) => isQipError(error, code))
  }
})

test('two root documents of one sequence are told', async () => {
  serve(1)
  const { updater } = open()
  await updater.walkRoot()
  const other = { ...documentOf(1, pair(0)), expires: domain.nowS() + 1 }
  authority.roots.set(1, formatEnvelope(await signRootDocument(other, pair(0))))
  await assert.rejects(updater.walkRoot(), (error) => isQipError(error, 'QIP_TRUST_SEQUENCE_REUSED'))
})

test('a bundle that rests on a later root document brings that first', async () => {
  serve(1)
  const { store, updater } = open()
  await updater.walkRoot()
  serve(1, 2)
  const issued = domain.nowS()
  const bundle = {
    td: domain.td,
    sequence: 1,
    refreshHintS: 60,
    keys: [],
    rootSequence: 2,
    issued,
    expires: issued + 60,
  }
  const text = formatEnvelope(await signBundle(bundle, [bundleKey]))
  // The state is another domain's: what matters is what happened before it was looked at.
  const step = { state: domain.current.state, bundle: text, headGap: 'refuse' } as const
  await assert.rejects(updater.step(step), (error) => isQipError(error))
  assert.deepEqual([store.root?.sequence, store.bundle?.sequence], [2, 1])
})

test('a change of bundle keys that is found by looking for root documents never leaves a moment without a bundle', async () => {
  const bundleOf = async (sequence: number, rootSequence: number, signer: PrivateKey) => {
    const issued = domain.nowS()
    const document = {
      td: domain.td,
      sequence,
      refreshHintS: 60,
      keys: [],
      rootSequence,
      issued,
      expires: issued + 60,
    }
    return formatEnvelope(await signBundle(document, [signer]))
  }
  serve(1)
  const { store, updater } = open()
  await updater.walkRoot()
  await store.applyBundle({ envelope: await bundleOf(1, 1, bundleKey), timeMs: domain.clock.now() })
  const other = generatePrivateKey('ML-DSA-65')
  authority.roots.set(2, formatEnvelope(await signRootDocument(documentOf(2, pair(0), [other]), pair(0))))
  const was = authority.bundle
  authority.bundle = await bundleOf(2, 2, other)
  try {
    const walked = updater.walkRoot()
    const watch = { isDone: false }
    void walked.then(() => (watch.isDone = true))
    while (!watch.isDone) {
      assert.ok(store.bundle)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await walked
    assert.deepEqual([store.root?.sequence, store.bundle?.sequence], [2, 2])
  } finally {
    authority.bundle = was
  }
})
