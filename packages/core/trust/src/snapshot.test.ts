import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { concatBytes, u32be, utf8 } from '@quantum-ip/base'
import { type Envelope, sha256 } from '@quantum-ip/crypto'
import {
  bundle,
  confirmed,
  head,
  key,
  logs,
  nowMs,
  openStore,
  record,
  records,
  revocation,
  rootDocument,
  signed,
  td,
  tokenLog,
} from '../test/acme.ts'
import { chainHead, headChainStart } from './head-record.ts'
import { pinsOf } from './root-document.ts'
import { buildBundle } from './bundle.ts'
import { TrustStore } from './trust-store.ts'

const keyId = records.token.keyId ?? 0
const empty = () => new TrustStore({ td, pins: pinsOf(rootDocument()) })
const list = Array.from({ length: 1_100 }, (_, n) => revocation({ epoch: n + 1, value: `${td}/s/${n}` }))

/** A store that has followed four states over three minutes, the first of which followed a gap. */
async function followed(): Promise<TrustStore> {
  const store = await openStore()
  const heads = [0, 1, 2, 3].map((n) => head(4 * n, 4 * n + 4, { exp: nowMs / 1_000 + 400 }))
  for (const [n, listed] of heads.entries()) {
    const seen = heads.slice(0, n + 1)
    const timeMs = nowMs + n * 60_000
    const change = {
      seq: n + 1,
      timeMs,
      heads: [listed],
      // The chain began before this store did.
      headChain: [head(2_048, 2_049), ...seen].reduce(chainHead, headChainStart),
      logs: logs({ [tokenLog]: 3_000 + n }),
      ...confirmed(list),
    }
    await store.applyState({ envelope: await signed.state(change), timeMs, revocations: list })
  }
  return store
}

const laterMs = nowMs + 200_000

test('a snapshot brings a store back as it was', async () => {
  const store = await followed()
  const copy = empty()
  await copy.loadSnapshot(store.exportSnapshot(), laterMs)
  assert.deepEqual(
    [copy.root, copy.bundle, copy.state, copy.epoch],
    [store.root, store.bundle, store.state, store.epoch],
  )
  assert.equal(copy.revocations.isIdentityRevoked(`${td}/s/1099`, 0), true)
  for (const n of [0, 1, 2, 3]) {
    const tuple = { start: 4 * n, end: 4 * n + 4 }
    assert.deepEqual(copy.headFor(tokenLog, keyId, tuple), store.headFor(tokenLog, keyId, tuple))
    assert.ok(copy.headFor(tokenLog, keyId, tuple))
  }
  assert.equal(copy.headsCompleteFrom(tokenLog), 3_000)
  assert.deepEqual(copy.exportSnapshot(), store.exportSnapshot())
})

test('a snapshot without a state, a bundle or anything loads too', async () => {
  const none = empty()
  await none.loadSnapshot(none.exportSnapshot(), nowMs)
  assert.equal(none.root, undefined)
  const rooted = empty()
  await rooted.applyRoot({ envelope: await signed.root(), timeMs: nowMs })
  const copy = empty()
  await copy.loadSnapshot(rooted.exportSnapshot(), nowMs)
  assert.deepEqual([copy.root?.sequence, copy.bundle], [1, undefined])
  const bundled = empty()
  await bundled.loadSnapshot((await openStore()).exportSnapshot(), nowMs)
  assert.deepEqual([bundled.bundle?.sequence, bundled.state], [1, undefined])
})

test('a snapshot from before any head was missed needs no base', async () => {
  const store = await openStore()
  await store.applyState({ envelope: await signed.state({ heads: [head(0, 4)] }), timeMs: nowMs })
  const copy = empty()
  await copy.loadSnapshot(store.exportSnapshot(), nowMs)
  assert.ok(copy.headFor(tokenLog, keyId, { start: 0, end: 4 }))
  assert.equal(copy.headsCompleteFrom(tokenLog), 0)
})

test('a snapshot leads from the pinned root document to the newest', async () => {
  const store = await openStore()
  const renewed = { sequence: 2, roots: [key.root2.publicKey, key.root3.publicKey] }
  const envelope = await signed.root(renewed, [key.root1, key.root2, key.root3])
  await store.applyRoot({ envelope, timeMs: nowMs })
  const copy = empty()
  await copy.loadSnapshot(store.exportSnapshot(), nowMs)
  assert.equal(copy.root?.sequence, 2)
  const pinnedLater = new TrustStore({ td, pins: pinsOf(rootDocument(renewed)) })
  await assert.rejects(pinnedLater.loadSnapshot(store.exportSnapshot(), nowMs), {
    code: 'QIP_TRUST_ROOT_NOT_PINNED',
  })
})

test('what an outdated snapshot proves still stands: root document, not the expired bundle', async () => {
  const snapshot = (await followed()).exportSnapshot()
  const copy = empty()
  const code = 'QIP_TRUST_DOCUMENT_EXPIRED'
  await assert.rejects(copy.loadSnapshot(snapshot, nowMs + 9 * 86_400_000), { code })
  assert.deepEqual([copy.root?.sequence, copy.bundle, copy.state], [1, undefined, undefined])
})

test('where the base’s feed key has retired, only the older heads are lost', async () => {
  const store = await openStore()
  const [a, b, c] = [head(0, 4), head(4, 8), head(8, 12)]
  const gap = { heads: [a], headChain: [b, a].reduce(chainHead, headChainStart) }
  await store.applyState({ envelope: await signed.state(gap), timeMs: nowMs })
  const keys = [
    record('qip-feed', key.feed, { state: 'retired' }),
    record('qip-feed', key.feed2),
    records.token,
  ]
  const change = { sequence: 2, keys }
  await store.applyBundle({ envelope: await signed.bundle(change), timeMs: nowMs })
  const next = {
    seq: 2,
    heads: [c],
    headChain: [b, a, c].reduce(chainHead, headChainStart),
    bundle: { sequence: 2, sha256: sha256(buildBundle(bundle(change))) },
  }
  await store.applyState({ envelope: await signed.state(next, key.feed2), timeMs: nowMs })
  const copy = empty()
  await copy.loadSnapshot(store.exportSnapshot(), nowMs)
  assert.equal(copy.state?.seq, 2)
  assert.ok(copy.headFor(tokenLog, keyId, c))
  assert.equal(copy.headFor(tokenLog, keyId, a), undefined)
})

const magic = utf8('qip-snapshot/v1\n')
const section = (kind: number, bytes: Uint8Array) =>
  concatBytes(Uint8Array.of(kind), u32be(bytes.length), bytes)
const malformed: readonly (readonly [title: string, bytes: Uint8Array])[] = [
  ['of nothing', new Uint8Array(0)],
  ['that begins differently', utf8('qip-snapshot/v2\n')],
  ['with a section of unknown kind', concatBytes(magic, section(7, utf8('[]')))],
  ['with a section of kind 0', concatBytes(magic, section(0, utf8('[]')))],
  ['with sections out of order', concatBytes(magic, section(6, utf8('[]')), section(5, utf8('[]')))],
  ['with two bundles', concatBytes(magic, section(2, utf8('{}')), section(2, utf8('{}')))],
  ['that is cut off in a section', concatBytes(magic, section(5, utf8('[]')).subarray(0, 6))],
  ['that is cut off in a length', concatBytes(magic, Uint8Array.of(5, 0))],
  ['with a section too large', concatBytes(magic, Uint8Array.of(5), u32be(2_097_153))],
  ['with a section that is no list', concatBytes(magic, section(5, utf8('{}')))],
  ['with a section that is no JSON', concatBytes(magic, section(5, utf8('[')))],
  ['with a list too long', concatBytes(magic, section(6, utf8(`[${'0,'.repeat(1_024)}0]`)))],
  ['with a record that is no object', concatBytes(magic, section(5, utf8('[1]')))],
  [
    'with too many root documents',
    concatBytes(magic, ...Array.from({ length: 257 }, () => section(1, utf8('{}')))),
  ],
]
for (const [title, bytes] of malformed) {
  test(`refuses a snapshot ${title}`, async () => {
    await assert.rejects(empty().loadSnapshot(bytes, nowMs), { code: 'QIP_TRUST_SNAPSHOT_MALFORMED' })
  })
}

test('refuses records in a snapshot that its signed state does not confirm', async () => {
  const store = await openStore()
  const records = [revocation()]
  const envelope: Envelope = await signed.state({ ...confirmed(records), heads: [head(0, 4)] })
  await store.applyState({ envelope, timeMs: nowMs, revocations: records })
  const text = Buffer.from(store.exportSnapshot()).toString('latin1')
  const altered = [
    ['stolen laptop', 'stolen Laptop', 'QIP_TRUST_CHAIN_MISMATCH'],
    ['"kind":"identity"', '"kind":"identitx"', 'QIP_TRUST_DOCUMENT_MALFORMED'],
    ['"epoch":1', '"epoch":2', 'QIP_TRUST_REVOCATIONS_MISSING'],
    ['tokens/1",0,4', 'tokens/1",0,3', 'QIP_TRUST_CHAIN_MISMATCH'],
  ] as const
  for (const [from, to, code] of altered) {
    assert.ok(text.includes(from))
    const bytes = Buffer.from(text.replace(from, to), 'latin1')
    await assert.rejects(empty().loadSnapshot(bytes, nowMs), { code }, from)
  }
})
