import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { formatEnvelope, generatePrivateKey, sha256, signEnvelope } from '@quantum-ip/crypto'
import { seededRandom } from '@quantum-ip/testing'
import {
  attestationLog,
  builderId,
  bundle,
  confirmed,
  hash,
  head,
  key,
  logs,
  nowMs,
  nowS,
  openStore,
  record,
  records,
  revocation,
  rootDocument,
  signed,
  state,
  td,
  tokenLog,
} from '../test/acme.ts'
import { type Bundle, buildBundle } from './bundle.ts'
import { chainHead, headChainStart, type HeadRecord } from './head-record.ts'
import type { KeyState } from './key-record.ts'
import { payloadTypes } from './payload-types.ts'
import { pinsOf } from './root-document.ts'
import type { State } from './state.ts'
import { TrustStore } from './trust-store.ts'

const timeMs = nowMs
const keyId = records.token.keyId ?? 0
const reference = (change: Partial<Bundle>): State['bundle'] => ({
  sequence: change.sequence ?? 1,
  sha256: sha256(buildBundle(bundle(change))),
})

const chain = (heads: readonly HeadRecord[]) => heads.reduce(chainHead, headChainStart)
const at = (start: number, end: number) => ({ start, end })
const jwt = (state: KeyState) => [records.feed, record('qip-jwt', key.jwt, { state })]
const issuing = (state: KeyState) => [records.feed, { ...records.token, state }]
const unknown = (use: string, qip: object) => ({ kty: 'AKP', alg: 'FN-DSA-512', pub: 'AA', use, qip })
const heldState = (): Partial<State> => ({
  seq: 10,
  bundle: reference({ sequence: 2 }),
  ...confirmed([revocation()]),
  policies: new Map([['default', { version: 3, sha256: hash('policy 3') }]]),
  logs: logs({ [tokenLog]: 100, 'acme.example/tokens/2': 50 }),
})

describe('root documents and bundles', () => {
  test('nothing is held before the pinned root document', async () => {
    const store = new TrustStore({ td, pins: pinsOf(rootDocument()) })
    assert.equal(store.staleness(nowMs, 300_000), 'no_root')
    assert.equal(store.ageMs(nowMs), Number.POSITIVE_INFINITY)
    const missing = { code: 'QIP_TRUST_DOCUMENT_MISSING' }
    await assert.rejects(store.applyBundle({ envelope: await signed.bundle(), timeMs }), missing)
    await assert.rejects(store.applyState({ envelope: await signed.state(), timeMs }), missing)
    await store.applyRoot({ envelope: await signed.root(), timeMs })
    assert.equal(store.staleness(nowMs, 300_000), 'no_bundle')
    await assert.rejects(store.applyState({ envelope: await signed.state(), timeMs }), missing)
  })

  test('the same document again changes nothing', async () => {
    const store = await openStore()
    assert.equal(await store.applyRoot({ envelope: formatEnvelope(await signed.root()), timeMs }), false)
    assert.equal(await store.applyBundle({ envelope: await signed.bundle(), timeMs }), false)
    assert.equal(await store.applyState({ envelope: await signed.state(), timeMs }), true)
    assert.equal(await store.applyState({ envelope: await signed.state(), timeMs }), false)
  })

  test('refuses the root document of another domain', async () => {
    const store = new TrustStore({ td: 'spiffe://other.example', pins: pinsOf(rootDocument()) })
    await assert.rejects(store.applyRoot({ envelope: await signed.root(), timeMs }), {
      code: 'QIP_TRUST_DOMAIN_MISMATCH',
    })
    assert.equal(store.root, undefined)
  })

  test('follows root documents from the pinned one on, through an expired one', async () => {
    const store = new TrustStore({ td, pins: pinsOf(rootDocument()) })
    await store.applyRoot({ envelope: await signed.root({ expires: nowS - 1_000 }), timeMs })
    assert.equal(store.staleness(nowMs, 300_000), 'root_expired')
    await assert.rejects(store.applyBundle({ envelope: await signed.bundle(), timeMs }), {
      code: 'QIP_TRUST_DOCUMENT_EXPIRED',
    })
    const renewed = { sequence: 2, roots: [key.root2.publicKey, key.root3.publicKey] }
    await store.applyRoot({ envelope: await signed.root(renewed, [key.root1, key.root2, key.root3]), timeMs })
    assert.equal(store.root?.sequence, 2)
    await store.applyBundle({ envelope: await signed.bundle(), timeMs })
  })

  test('a root document with other bundle keys and the bundle that rests on it take effect at one moment', async () => {
    const store = await openStore()
    const moments: (string | undefined)[] = []
    const look = (): void => void moments.push(store.staleness(nowMs, 300_000))
    await store.applyState({ envelope: await signed.state(), timeMs })
    store.subscribe({ onBundle: look })
    const applied = store.applyRoot({
      envelope: await signed.root({ sequence: 2, bundleKeys: [key.bundle2.publicKey] }),
      bundle: await signed.bundle({ sequence: 2, rootSequence: 2 }, [key.bundle2]),
      timeMs,
    })
    // Every turn of the event loop until it is done sees a bundle in force.
    const watch = { isDone: false }
    void applied.then(() => (watch.isDone = true))
    while (!watch.isDone) {
      look()
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(await applied, true)
    assert.deepEqual([store.root?.sequence, store.bundle?.sequence], [2, 2])
    assert.deepEqual([...new Set(moments)], [undefined])
  })

  test('a root document takes effect also where the bundle that came with it is not good', async () => {
    for (const bad of [
      await signed.bundle({ sequence: 2, rootSequence: 2 }),
      await signed.bundle({ sequence: 2, rootSequence: 3 }, [key.bundle2]),
      'no envelope',
    ]) {
      const store = await openStore()
      const envelope = await signed.root({ sequence: 2, bundleKeys: [key.bundle2.publicKey] })
      assert.equal(await store.applyRoot({ envelope, bundle: bad, timeMs }), true)
      assert.deepEqual([store.root?.sequence, store.bundle], [2, undefined])
    }
  })

  test('a bundle goes out of force with the key that signed it, and comes back when it is signed anew', async () => {
    const store = await openStore()
    await store.applyState({ envelope: await signed.state({ heads: [head(0, 4)] }), timeMs })
    assert.ok(store.keyFor(td, keyId, 'qip-token'))
    const renewed = { sequence: 2, bundleKeys: [key.bundle2.publicKey] }
    await store.applyRoot({ envelope: await signed.root(renewed), timeMs })
    assert.equal(store.keyFor(td, keyId, 'qip-token'), undefined)
    assert.equal(store.headFor(tokenLog, keyId, { start: 0, end: 4 }), undefined)
    assert.equal(store.bundle, undefined)
    assert.equal(store.staleness(nowMs, 300_000), 'no_bundle')
    await assert.rejects(store.applyBundle({ envelope: await signed.bundle(), timeMs }), {
      code: 'QIP_TRUST_SIGNATURES_INSUFFICIENT',
    })
    await assert.rejects(store.applyState({ envelope: await signed.state({ seq: 2 }), timeMs }), {
      code: 'QIP_TRUST_DOCUMENT_MISSING',
    })
    assert.equal(await store.applyBundle({ envelope: await signed.bundle({}, [key.bundle2]), timeMs }), true)
    assert.ok(store.headFor(tokenLog, keyId, { start: 0, end: 4 }))
    assert.equal(store.staleness(nowMs, 300_000), undefined)
  })
})

describe('never backwards', () => {
  const heldBundle = { sequence: 5, rootSequence: 1 }
  const bundles: readonly (readonly [title: string, change: Partial<Bundle>, code: string | undefined])[] = [
    ['a higher sequence', { sequence: 6 }, undefined],
    ['a lower sequence', { sequence: 4 }, 'QIP_TRUST_WENT_BACKWARDS'],
    ['the same sequence and other bytes', { sequence: 5, refreshHintS: 61 }, 'QIP_TRUST_SEQUENCE_REUSED'],
  ]
  for (const [title, change, code] of bundles) {
    test(`${code === undefined ? 'accepts' : 'refuses'} a bundle with ${title}`, async () => {
      const store = await openStore()
      await store.applyBundle({ envelope: await signed.bundle(heldBundle), timeMs })
      const result = store.applyBundle({ envelope: await signed.bundle(change), timeMs })
      if (code !== undefined) await assert.rejects(result, { code })
      else await result
      assert.equal(store.bundle?.sequence, code === undefined ? change.sequence : 5)
    })
  }

  test('refuses a bundle of an older root document', async () => {
    const store = await openStore()
    await store.applyRoot({ envelope: await signed.root({ sequence: 2 }), timeMs })
    await store.applyBundle({ envelope: await signed.bundle({ sequence: 2, rootSequence: 2 }), timeMs })
    const older = { envelope: await signed.bundle({ sequence: 3, rootSequence: 1 }), timeMs }
    await assert.rejects(store.applyBundle(older), { code: 'QIP_TRUST_WENT_BACKWARDS' })
  })

  const transitions: readonly (readonly [from: KeyState, to: KeyState, isAllowed: boolean])[] = [
    ['planned', 'published', true],
    ['active', 'retiring', true],
    ['retiring', 'active', true],
    ['retired', 'compromised', true],
    ['active', 'compromised', true],
    ['retired', 'active', true],
    ['retired', 'retiring', true],
    ['compromised', 'active', false],
    ['compromised', 'retired', false],
    ['compromised', 'planned', false],
  ]
  for (const [from, to, isAllowed] of transitions) {
    test(`a key ${isAllowed ? 'may' : 'must not'} go from ${from} to ${to}`, async () => {
      const store = await openStore()
      await store.applyBundle({ envelope: await signed.bundle({ sequence: 2, keys: jwt(from) }), timeMs })
      const result = store.applyBundle({
        envelope: await signed.bundle({ sequence: 3, keys: jwt(to) }),
        timeMs,
      })
      if (isAllowed) await result
      else await assert.rejects(result, { code: 'QIP_TRUST_KEY_CHANGED' })
    })
  }

  for (const to of ['active', 'retiring'] as const) {
    test(`an issuing key must not go from retired to ${to}: its token log has ended`, async () => {
      const store = await openStore()
      const retired = await signed.bundle({ sequence: 2, keys: issuing('retired') })
      await store.applyBundle({ envelope: retired, timeMs })
      const back = await signed.bundle({ sequence: 3, keys: issuing(to) })
      await assert.rejects(store.applyBundle({ envelope: back, timeMs }), { code: 'QIP_TRUST_KEY_CHANGED' })
    })
  }

  test('a compromised key stays so, also after a bundle that left it out', async () => {
    const store = await openStore()
    const steps = [jwt('compromised'), [records.feed]]
    for (const [n, keys] of steps.entries()) {
      await store.applyBundle({ envelope: await signed.bundle({ sequence: n + 2, keys }), timeMs })
    }
    const back = await signed.bundle({ sequence: 4, keys: jwt('active') })
    await assert.rejects(store.applyBundle({ envelope: back, timeMs }), { code: 'QIP_TRUST_KEY_CHANGED' })
  })

  test('a key keeps its use, name and log, and a token log its issuing key', async () => {
    const issuer = { name: 'acme.example/issuer/1', log: tokenLog }
    const changed = [
      [records.feed, record('qip-policy', key.jwt, { state: 'published' })],
      [records.feed, record('qip-token', key.token, { ...issuer, log: 'acme.example/tokens/9' })],
      [records.feed, record('qip-token', key.token, { ...issuer, name: 'acme.example/issuer/9' })],
      [records.feed, record('qip-token', key.jwt, issuer)],
      [records.feed, record('qip-build', key.build, { name: builderId, set: '2' })],
      [records.feed, record('qip-token', generatePrivateKey('ML-DSA-44', seededRandom('another')), issuer)],
    ]
    for (const keys of changed) {
      const store = await openStore()
      const envelope = await signed.bundle({ sequence: 2, keys })
      await assert.rejects(store.applyBundle({ envelope, timeMs }), { code: 'QIP_TRUST_KEY_CHANGED' })
    }
  })

  const states: readonly (readonly [
    title: string,
    change: () => Partial<State>,
    code: string | undefined,
  ])[] = [
    ['a higher seq', () => ({ seq: 11 }), undefined],
    ['a higher seq at the same time', () => ({ seq: 900, timeMs: nowMs }), undefined],
    ['a lower seq', () => ({ seq: 9 }), 'QIP_TRUST_WENT_BACKWARDS'],
    ['the same seq and other bytes', () => ({ timeMs: nowMs + 1 }), 'QIP_TRUST_SEQUENCE_REUSED'],
    ['an earlier time', () => ({ seq: 11, timeMs: nowMs - 1 }), 'QIP_TRUST_WENT_BACKWARDS'],
    ['an earlier epoch', () => ({ seq: 11, ...confirmed([]) }), 'QIP_TRUST_WENT_BACKWARDS'],
    [
      'another past of the same epoch',
      () => ({ seq: 11, ...confirmed([revocation({ reason: 'x' })]) }),
      'QIP_TRUST_CHAIN_MISMATCH',
    ],
    ['an earlier bundle', () => ({ seq: 11, bundle: reference({}) }), 'QIP_TRUST_WENT_BACKWARDS'],
    [
      'a smaller log',
      () => ({ seq: 11, logs: logs({ [tokenLog]: 99, 'acme.example/tokens/2': 50 }) }),
      'QIP_TRUST_WENT_BACKWARDS',
    ],
    [
      'another hash at the same size',
      () => ({ seq: 11, logs: new Map([[tokenLog, { size: 100, hash: hash('x') }]]) }),
      'QIP_TRUST_LOG_FORKED',
    ],
    ['a log less', () => ({ seq: 11, logs: logs({ [tokenLog]: 100 }) }), undefined],
    ['a larger log', () => ({ seq: 11, logs: logs({ [tokenLog]: 101 }) }), undefined],
    [
      'a lower policy version',
      () => ({ seq: 11, policies: new Map([['default', { version: 2, sha256: hash('policy 2') }]]) }),
      'QIP_TRUST_WENT_BACKWARDS',
    ],
    [
      'another policy of the same version',
      () => ({ seq: 11, policies: new Map([['default', { version: 3, sha256: hash('x') }]]) }),
      'QIP_TRUST_SEQUENCE_REUSED',
    ],
    [
      'a higher policy version',
      () => ({ seq: 11, policies: new Map([['default', { version: 4, sha256: hash('x') }]]) }),
      undefined,
    ],
    ['no policies any more', () => ({ seq: 11, policies: new Map() }), undefined],
  ]
  for (const [title, change, code] of states) {
    test(`${code === undefined ? 'accepts' : 'refuses'} a state with ${title}`, async () => {
      const store = await openStore()
      await store.applyBundle({ envelope: await signed.bundle({ sequence: 2 }), timeMs })
      const revocations = [revocation()]
      await store.applyState({ envelope: await signed.state(heldState()), timeMs, revocations })
      const envelope = await signed.state({ ...heldState(), ...change() })
      const result = store.applyState({ envelope, timeMs, revocations })
      if (code !== undefined) await assert.rejects(result, { code })
      else await result
      assert.equal(store.state?.seq, code === undefined ? change().seq : 10)
    })
  }

  test('a log that was left out does not come back smaller', async () => {
    const store = await openStore()
    const steps: readonly Record<string, number>[] = [{ [tokenLog]: 100 }, {}]
    for (const [seq, sizes] of steps.entries()) {
      const envelope = await signed.state({ seq: seq + 1, logs: logs(sizes) })
      await store.applyState({ envelope, timeMs })
    }
    const envelope = await signed.state({ seq: 3, logs: logs({ [tokenLog]: 99 }) })
    await assert.rejects(store.applyState({ envelope, timeMs }), { code: 'QIP_TRUST_WENT_BACKWARDS' })
  })
})

describe('freshness', () => {
  test('the age of a state is the time since it was signed', async () => {
    const store = await openStore()
    await store.applyState({ envelope: await signed.state(), timeMs })
    assert.equal(store.ageMs(nowMs + 1_234), 1_234)
    assert.equal(store.ageMs(nowMs - 1_000), 0)
  })

  const cases: readonly (readonly [atMs: number, staleness: string | undefined])[] = [
    [nowMs, undefined],
    [nowMs + 300_000, undefined],
    [nowMs + 300_001, 'state_old'],
    [nowMs - 30_000, undefined],
    [nowMs - 30_001, 'clock_behind'],
    [nowMs + 86_430_001, 'bundle_expired'],
    [nowMs + 86_400_000 * 366, 'root_expired'],
  ]
  for (const [atMs, staleness] of cases) {
    test(`${(atMs - nowMs) / 1_000} s after the last state, trust is ${staleness ?? 'fresh'}`, async () => {
      const store = await openStore()
      assert.equal(store.staleness(nowMs, 300_000), 'no_state')
      await store.applyState({ envelope: await signed.state(), timeMs })
      assert.equal(store.staleness(atMs, 300_000), staleness)
    })
  }

  test('no state takes effect under an expired bundle or root document', async () => {
    const store = await openStore()
    for (const later of [86_431, 86_400 * 366]) {
      const laterMs = nowMs + later * 1_000
      const envelope = await signed.state({ timeMs: laterMs })
      await assert.rejects(store.applyState({ envelope, timeMs: laterMs }), {
        code: 'QIP_TRUST_DOCUMENT_EXPIRED',
      })
    }
  })
})

describe('keys', () => {
  test('are found by domain, key ID and use', async () => {
    const store = await openStore()
    assert.deepEqual(store.keyFor(td, keyId, 'qip-token'), records.token)
    assert.equal(store.keyFor('spiffe://evil.example', keyId, 'qip-token'), undefined)
    assert.equal(store.keyFor(td, keyId, 'qip-log'), undefined)
    assert.equal(store.keyFor(td, keyId + 1, 'qip-token'), undefined)
    assert.deepEqual(store.keyFor(td, records.log.keyId ?? 0, 'qip-log'), records.log)
    assert.deepEqual(store.keyByKid(td, key.jwt.publicKey.kid, 'qip-jwt'), records.jwt)
    assert.equal(store.keyByKid(td, key.jwt.publicKey.kid, 'qip-feed'), undefined)
    assert.deepEqual(store.keysOf('qip-feed'), [records.feed])
    assert.deepEqual([store.keysOf('qip-policy'), store.kemKeys()], [[], []])
  })

  test('the Ed25519 companion of an issuing key is a cosigner and never issues', async () => {
    const store = await openStore()
    assert.equal(store.keyFor(td, records.tokenClassic.keyId ?? 0, 'qip-token'), undefined)
    assert.deepEqual(store.cosigners(tokenLog), [records.token, records.tokenClassic])
    assert.deepEqual(store.cosigners('acme.example/tokens/2'), [records.token2])
    assert.equal(store.cosigners('acme.example/tokens/3'), undefined)
  })

  test('of a builder count as a whole set, for the attestations that no revocation is about', async () => {
    const store = await openStore()
    const both = [[key.build.publicKey, key.buildClassic.publicKey]]
    assert.deepEqual(store.builderKeySets(builderId, attestationLog, 7), both)
    assert.deepEqual(store.builderKeySets('https://evil.example', attestationLog, 7), [])
    const revocations = [
      revocation({ kind: 'key', value: key.buildClassic.publicKey.kid, log: attestationLog, from: 7 }),
    ]
    await store.applyState({ envelope: await signed.state(confirmed(revocations)), timeMs, revocations })
    assert.deepEqual(store.builderKeySets(builderId, attestationLog, 6), both)
    assert.deepEqual(store.builderKeySets(builderId, attestationLog, 7), [])
  })

  test('that are compromised count below the index that their revocation names, and without one for nothing', async () => {
    const store = await openStore()
    const compromised = [
      records.feed,
      { ...records.build, state: 'compromised' as const },
      records.buildClassic,
      { ...records.log, state: 'compromised' as const },
    ]
    const change = { sequence: 2, keys: compromised }
    await store.applyBundle({ envelope: await signed.bundle(change), timeMs })
    assert.deepEqual(store.builderKeySets(builderId, attestationLog, 0), [])
    assert.deepEqual(store.logKeys(attestationLog, 0), [])
    const revocations = [
      revocation({ kind: 'key', value: key.build.publicKey.kid, log: attestationLog, from: 7 }),
      revocation({ epoch: 2, kind: 'key', value: key.log.publicKey.kid, log: attestationLog, from: 5 }),
    ]
    const envelope = await signed.state({ ...confirmed(revocations), bundle: reference(change) })
    await store.applyState({ envelope, timeMs, revocations })
    const counts = [4, 5, 6, 7].map((index) => [
      store.logKeys(attestationLog, index).length,
      store.builderKeySets(builderId, attestationLog, index).length,
    ])
    assert.deepEqual(counts, [
      [1, 1],
      [0, 1],
      [0, 1],
      [0, 0],
    ])
    assert.deepEqual(store.logKeys('acme.example/attestations/2', 0), [])
  })

  test('that are passed over take their set and their log out of use, never lower what must be signed', async () => {
    const json = JSON.parse(Buffer.from(buildBundle(bundle())).toString()) as { keys: object[] }
    json.keys.push(
      unknown('qip-build', { state: 'active', name: builderId }),
      unknown('qip-token', { state: 'active', name: 'acme.example/issuer/1', log: tokenLog }),
    )
    const payload = Buffer.from(JSON.stringify(json))
    const store = new TrustStore({ td, pins: pinsOf(rootDocument()) })
    await store.applyRoot({ envelope: await signed.root(), timeMs })
    const envelope = await signEnvelope({ payloadType: payloadTypes.bundle, payload, signers: [key.bundle1] })
    await store.applyBundle({ envelope, timeMs })
    assert.deepEqual(store.builderKeySets(builderId, attestationLog, 0), [])
    assert.equal(store.cosigners(tokenLog), undefined)
    assert.ok(store.keyFor(td, keyId, 'qip-token'), 'what a state lists still counts')
  })

  test('of a builder that has only Ed25519 count for nothing', async () => {
    const store = await openStore()
    const keys = [records.feed, records.buildClassic]
    await store.applyBundle({ envelope: await signed.bundle({ sequence: 2, keys }), timeMs })
    assert.deepEqual(store.builderKeySets(builderId, attestationLog, 0), [])
  })
})

describe('revocations', () => {
  test('a state is refused whole while records are missing, and applies with them', async () => {
    const store = await openStore()
    const revocations = [revocation(), revocation({ epoch: 2, value: 'spiffe://acme.example/b' })]
    const envelope = await signed.state({ ...confirmed(revocations), heads: [head(0, 4)] })
    await assert.rejects(store.applyState({ envelope, timeMs }), {
      code: 'QIP_TRUST_REVOCATIONS_MISSING',
      details: { held: 0, needed: 2 },
    })
    assert.deepEqual([store.state, store.epoch, store.revocations.size], [undefined, 0, 0])
    assert.equal(store.headFor(tokenLog, keyId, { start: 0, end: 4 }), undefined)
    await store.applyState({ envelope, timeMs, revocations })
    assert.deepEqual([store.epoch, store.revocations.size], [2, 2])
    assert.equal(store.revocations.isIdentityRevoked('spiffe://acme.example/b', nowS), true)
  })

  test('more than the limit are refused', async () => {
    const store = await openStore({ revocationsMax: 1 })
    const revocations = [revocation(), revocation({ epoch: 2 })]
    const envelope = await signed.state(confirmed(revocations))
    await assert.rejects(store.applyState({ envelope, timeMs, revocations }), {
      code: 'QIP_TRUST_LIMIT_EXCEEDED',
    })
  })

  test('lapse by the time of the state', async () => {
    const store = await openStore()
    const revocations = [revocation({ expires: nowS + 10 })]
    const { value } = revocations[0] ?? revocation()
    await store.applyState({ envelope: await signed.state(confirmed(revocations)), timeMs, revocations })
    assert.equal(store.revocations.isIdentityRevoked(value, nowS), true)
    const later = { seq: 2, timeMs: nowMs + 10_000, ...confirmed(revocations) }
    await store.applyState({ envelope: await signed.state(later), timeMs: nowMs + 10_000 })
    assert.equal(store.revocations.isIdentityRevoked(value, nowS), false)
    assert.equal(store.epoch, 1)
  })
})

describe('heads', () => {
  test('are found under exactly their log, key, start and end', async () => {
    const store = await openStore()
    const heads = [head(0, 4), head(0, 8), head(0, 7), head(8, 9), head(2 ** 40, 2 ** 40 + 1)]
    const large = logs({ [tokenLog]: 2 ** 41 })
    await store.applyState({ envelope: await signed.state({ heads, logs: large }), timeMs })
    for (const listed of heads) assert.deepEqual(store.headFor(tokenLog, keyId, listed), listed.hash)
    const misses = [
      store.headFor(tokenLog, keyId, at(0, 5)),
      store.headFor(tokenLog, keyId, at(4, 8)),
      store.headFor(tokenLog, keyId, at(8, 10)),
      store.headFor(tokenLog, records.token2.keyId ?? 0, at(0, 4)),
      store.headFor('acme.example/tokens/2', keyId, at(0, 4)),
      store.headFor('acme.example/tokens/2', records.token2.keyId ?? 0, at(0, 4)),
      store.headFor(tokenLog, records.tokenClassic.keyId ?? 0, at(0, 4)),
    ]
    assert.deepEqual(
      misses,
      misses.map(() => undefined),
    )
  })

  test('a head that differs from the one held, or within one state, refuses the state whole', async () => {
    const store = await openStore()
    const first = [head(0, 4)]
    await store.applyState({ envelope: await signed.state({ heads: first }), timeMs })
    const wrong = head(0, 4, { hash: hash('wrong') })
    for (const heads of [[wrong], [head(4, 8), head(4, 8, { hash: hash('wrong') })]]) {
      const envelope = await signed.state({ seq: 2, heads, headChain: chain([...first, ...heads]) })
      await assert.rejects(store.applyState({ envelope, timeMs }), { code: 'QIP_TRUST_HEAD_CONFLICT' })
    }
    assert.equal(store.state?.seq, 1)
    assert.deepEqual(store.headFor(tokenLog, keyId, at(0, 4)), first[0]?.hash)
    assert.equal(store.headFor(tokenLog, keyId, at(4, 8)), undefined)
  })

  test('that are missing between two states come with the later one, with or without its own', async () => {
    const [a, b, c] = [head(0, 4), head(4, 8), head(8, 9)]
    for (const heads of [[b], [b, c]]) {
      const store = await openStore()
      await store.applyState({ envelope: await signed.state({ heads: [a] }), timeMs })
      const envelope = await signed.state({ seq: 9, heads: [c], headChain: chain([a, b, c]) })
      await assert.rejects(store.applyState({ envelope, timeMs, headGap: 'refuse' }), {
        code: 'QIP_TRUST_HEADS_MISSING',
      })
      await assert.rejects(store.applyState({ envelope, timeMs, heads: [c] }), {
        code: 'QIP_TRUST_CHAIN_MISMATCH',
      })
      await store.applyState({ envelope, timeMs, heads, headGap: 'refuse' })
      for (const listed of [a, b, c]) assert.deepEqual(store.headFor(tokenLog, keyId, listed), listed.hash)
      assert.equal(store.headsCompleteFrom(tokenLog), 0)
    }
  })

  test('after a gap, what was listed before is unknown, and what is listed then counts', async () => {
    const store = await openStore()
    const [a, b, c] = [head(0, 4), head(4, 8), head(8, 9)]
    await store.applyState({
      envelope: await signed.state({ heads: [a], logs: logs({ [tokenLog]: 4 }) }),
      timeMs,
    })
    assert.equal(store.headsCompleteFrom(tokenLog), 0)
    const gap = { seq: 9, heads: [c], headChain: chain([a, b, c]), logs: logs({ [tokenLog]: 9 }) }
    await store.applyState({ envelope: await signed.state(gap), timeMs })
    assert.deepEqual([store.headsCompleteFrom(tokenLog), store.logSize(tokenLog)], [9, 9])
    assert.deepEqual(store.headFor(tokenLog, keyId, c), c.hash)
    assert.deepEqual(store.headFor(tokenLog, keyId, a), a.hash)
    const next = head(9, 10)
    const follow = { seq: 10, heads: [next], headChain: chain([a, b, c, next]) }
    const sizes = { [tokenLog]: 10, 'acme.example/tokens/2': 0 }
    await store.applyState({ envelope: await signed.state({ ...follow, logs: logs(sizes) }), timeMs })
    assert.equal(store.headsCompleteFrom(tokenLog), 9)
    assert.equal(store.headsCompleteFrom('acme.example/tokens/2'), 0)
    assert.equal(store.headsCompleteFrom('acme.example/tokens/3'), Number.POSITIVE_INFINITY)
    assert.equal(store.logSize('acme.example/tokens/3'), -1)
  })

  test('go when no clock accepts their tokens any more', async () => {
    const store = await openStore()
    const soon = head(0, 4, { exp: nowS + 10 })
    const late = head(4, 8, { exp: nowS + 100 })
    await store.applyState({ envelope: await signed.state({ heads: [soon, late] }), timeMs })
    const steps = [
      [70_000, true],
      [71_000, false],
    ] as const
    for (const [n, [laterMs, isHeld]] of steps.entries()) {
      const later = { seq: n + 2, timeMs: nowMs + laterMs, headChain: chain([soon, late]) }
      await store.applyState({ envelope: await signed.state(later), timeMs: nowMs + laterMs })
      assert.equal(store.headFor(tokenLog, keyId, soon) !== undefined, isHeld)
      assert.ok(store.headFor(tokenLog, keyId, late))
    }
  })

  test('above the limit those go that expire soonest, and are never mistaken for unlisted', async () => {
    const store = await openStore({ headsMax: 2 })
    let dropped = 0
    store.subscribe({ onHeadsDropped: (count) => (dropped += count) })
    const heads = [300, 100, 200].map((ttl, n) => head(4 * n, 4 * n + 4, { exp: nowS + ttl }))
    await store.applyState({ envelope: await signed.state({ heads }), timeMs })
    assert.deepEqual(
      heads.map((listed) => store.headFor(tokenLog, keyId, listed) !== undefined),
      [true, false, true],
    )
    assert.deepEqual([dropped, store.headsCompleteFrom(tokenLog)], [1, 8])
  })

  test('listed twice, a head is held as long as the later listing says', async () => {
    const store = await openStore()
    const heads = [
      head(0, 4, { exp: nowS + 10 }),
      head(0, 4, { exp: nowS + 500 }),
      head(0, 4, { exp: nowS + 20 }),
    ]
    await store.applyState({ envelope: await signed.state({ heads }), timeMs })
    const later = { seq: 2, timeMs: nowMs + 400_000, headChain: chain(heads) }
    await store.applyState({ envelope: await signed.state(later), timeMs: nowMs + 400_000 })
    assert.ok(store.headFor(tokenLog, keyId, at(0, 4)))
  })
})

describe('listeners', () => {
  test('hear what took effect, and nothing of what did not', async () => {
    const store = await openStore()
    const heard: string[] = []
    const stop = store.subscribe({
      onBundle: (sequence) => heard.push(`bundle ${sequence}`),
      onCompromised: ({ use }) => heard.push(`compromised ${use}`),
      onEpoch: (epoch) => heard.push(`epoch ${epoch}`),
      onHeads: (heads) => heard.push(`heads ${heads.length}`),
      onState: (seq) => heard.push(`state ${seq}`),
    })
    const revocations = [revocation({ kind: 'key', value: key.token.publicKey.kid })]
    const envelope = await signed.state({ ...confirmed(revocations), heads: [head(0, 4)] })
    await assert.rejects(store.applyState({ envelope, timeMs }))
    assert.deepEqual(heard, [])
    await store.applyState({ envelope, timeMs, revocations })
    assert.deepEqual(heard.splice(0), ['compromised qip-token', 'epoch 1', 'heads 1', 'state 1'])
    const keys = [records.feed, { ...records.jwt, state: 'compromised' as const }]
    await store.applyBundle({ envelope: await signed.bundle({ sequence: 2, keys }), timeMs })
    await store.applyBundle({ envelope: await signed.bundle({ sequence: 3, keys }), timeMs })
    assert.deepEqual(heard.splice(0), ['compromised qip-jwt', 'bundle 2', 'bundle 3'])
    stop()
    await store.applyBundle({ envelope: await signed.bundle({ sequence: 4, keys }), timeMs })
    assert.deepEqual(heard, [])
  })

  test('documents handed in at once take effect in their order', async () => {
    const store = await openStore()
    const envelopes = await Promise.all([1, 2, 3].map((seq) => signed.state({ seq })))
    const results = envelopes.map((envelope) => store.applyState({ envelope, timeMs }))
    assert.deepEqual(await Promise.all(results), [true, true, true])
    assert.equal(store.state?.seq, 3)
  })

  test('one refused document does not hold up the next', async () => {
    const store = await openStore()
    const [bad, good] = [store.applyState({ envelope: '{}', timeMs }), signed.state()]
    await assert.rejects(bad)
    assert.equal(await store.applyState({ envelope: await good, timeMs }), true)
  })
})

test('a policy is confirmed by its version and hash', async () => {
  const store = await openStore()
  const policies = new Map([['default', { version: 3, sha256: hash('policy') }]])
  assert.equal(store.policy('default'), undefined)
  await store.applyState({ envelope: await signed.state({ policies }), timeMs })
  assert.deepEqual(store.policy('default'), policies.get('default'))
  assert.deepEqual(store.logHead(tokenLog), state().logs.get(tokenLog))
})
