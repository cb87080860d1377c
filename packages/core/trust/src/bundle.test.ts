import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseUtf8, utf8 } from '@quantum-ip/base'
import { generateKemKey, generatePrivateKey, type PrivateKey, publicJwk } from '@quantum-ip/crypto'
import { seededRandom } from '@quantum-ip/testing'
import { bundle, key, nowS, record, records, rootDocument, signed, tokenLog } from '../test/acme.ts'
import { buildBundle, feedKeys, parseBundle, verifyBundle } from './bundle.ts'
import type { KeyRecord } from './key-record.ts'

type Jwk = Record<string, unknown> & { qip: Record<string, unknown> }
interface BundleJson extends Record<string, unknown> {
  keys: Jwk[]
}

function json(): BundleJson {
  return JSON.parse(parseUtf8(buildBundle(bundle()))) as BundleJson
}

function altered(change: Record<string, unknown>): Uint8Array {
  return utf8(JSON.stringify({ ...json(), ...change }))
}

/** The bundle with one more entry. */
function withEntry(entry: Record<string, unknown>): Uint8Array {
  return altered({ keys: [...json().keys, entry] })
}

/** The bundle in which the first token key is altered. */
function withToken(change: (jwk: Jwk) => void): Uint8Array {
  const { keys, ...others } = json()
  const token = keys.find(({ use }) => use === 'qip-token')
  assert.ok(token)
  change(token)
  return utf8(JSON.stringify({ ...others, keys }))
}

test('a bundle reads back as it was built, key IDs computed', () => {
  const { keys, ignored, ...others } = parseBundle(buildBundle(bundle()))
  const { keys: expected, ...expectedOthers } = bundle()
  assert.deepEqual(keys, expected)
  assert.deepEqual(others, expectedOthers)
  assert.deepEqual(ignored, [])
})

test('a bundle has the form of SPIFFE: a JWK set with sequence, refresh hint, and `kid` and `use` for each key', () => {
  const { keys, spiffe_sequence: sequence, spiffe_refresh_hint: hint } = json()
  assert.deepEqual([sequence, hint], [1, 60])
  assert.deepEqual(keys[0], {
    ...publicJwk(key.feed.publicKey),
    use: 'qip-feed',
    qip: { state: 'active' },
  })
  assert.deepEqual(keys[1]?.qip, { state: 'active', name: 'acme.example/issuer/1', log: tokenLog })
})

const foreign: readonly (readonly [title: string, entry: Record<string, unknown>])[] = [
  ['an X.509 key of SPIFFE', { kty: 'EC', use: 'x509-svid', crv: 'P-256', x: 'AA', y: 'AA', x5c: ['AA'] }],
  ['a use of tomorrow', { kty: 'AKP', use: 'qip-future', alg: 'ML-DSA-44', pub: 'AA' }],
  ['no use', { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AA' }],
  ['a use that is a number', { kty: 'AKP', use: 7 }],
  ['a key type of tomorrow', { kty: 'XYZ', use: 'qip-feed', qip: { state: 'active' } }],
  [
    'an algorithm of tomorrow',
    { kty: 'AKP', use: 'qip-feed', alg: 'FN-DSA-512', pub: 'AA', qip: { state: 'active' } },
  ],
  ['a KEM of tomorrow', { kty: 'AKP', use: 'qip-kem', alg: 'HQC-1', pub: 'AA', qip: { state: 'active' } }],
  [
    'a state of tomorrow',
    { ...publicJwk(key.feed2.publicKey), use: 'qip-feed', qip: { state: 'suspended' } },
  ],
  [
    'Ed25519 where it would stand alone',
    { ...publicJwk(key.tokenClassic.publicKey), use: 'qip-feed', kid: undefined, qip: { state: 'active' } },
  ],
]
for (const [title, entry] of foreign) {
  test(`passes over an entry with ${title}`, () => {
    const { keys, ignored } = parseBundle(withEntry(entry))
    assert.deepEqual(keys, bundle().keys)
    assert.equal(ignored?.length, 1)
    assert.equal(ignored[0]?.index, keys.length)
  })
}

test('tells what an entry that it passes over would have been for', () => {
  const entry = {
    kty: 'AKP',
    use: 'qip-build',
    alg: 'FN-DSA-512',
    pub: 'AA',
    qip: { state: 'active', name: 'https://ci.acme.example/release', set: '2' },
  }
  assert.deepEqual(parseBundle(withEntry(entry)).ignored, [
    {
      index: bundle().keys.length,
      reason: 'unknown `alg`',
      use: 'qip-build',
      name: 'https://ci.acme.example/release',
      set: '2',
    },
  ])
})

test('takes composite keys only where they are allowed', () => {
  const composite = generatePrivateKey('ML-DSA-44-Ed25519', seededRandom('composite'), { composites: true })
  const payload = buildBundle(bundle({ keys: [record('qip-jwt', composite)] }))
  assert.equal(parseBundle(payload).ignored?.length, 1)
  assert.equal(parseBundle(payload, { composites: true }).keys.length, 1)
})

test('holds keys that fields are sealed to', () => {
  const kem: KeyRecord = {
    use: 'qip-kem',
    key: generateKemKey('X-Wing', seededRandom('kem')).publicKey,
    state: 'active',
  }
  assert.deepEqual(parseBundle(buildBundle(bundle({ keys: [kem] }))).keys, [kem])
})

const token = (privateKey: PrivateKey, n: number): KeyRecord =>
  record('qip-token', privateKey, { name: `acme.example/issuer/${n}`, log: `acme.example/tokens/${n}` })

test('refuses two keys with one 4-byte key ID', () => {
  // Found by search: under these names, the IDs of these two keys are equal.
  const keys = [
    token(generatePrivateKey('ML-DSA-44', seededRandom('collision a')), 94_501),
    token(generatePrivateKey('ML-DSA-44', seededRandom('collision b')), 85_551),
  ]
  assert.equal(keys[0]?.keyId, 0x97372706)
  assert.throws(() => buildBundle(bundle({ keys })), {
    code: 'QIP_TRUST_KEY_ID_COLLISION',
    details: { keyId: '97372706' },
  })
})

test('refuses one key for two uses', () => {
  const keys = [records.feed, record('qip-jwt', key.feed)]
  assert.throws(() => buildBundle(bundle({ keys })), { code: 'QIP_TRUST_KEY_ID_COLLISION' })
})

const logPair = { name: 'acme.example/issuer/1', log: tokenLog }
const malformedKeys: readonly (readonly [title: string, keys: KeyRecord[]])[] = [
  ['two issuing keys for one token log', [records.token, record('qip-token', key.token2, logPair)]],
  ['only an Ed25519 key for a token log', [records.tokenClassic]],
  ['an algorithm that its use does not take', [record('qip-token', key.bundle1, logPair)]],
  ['an Ed25519 feed key', [record('qip-feed', key.tokenClassic)]],
  ['a token key without a log', [record('qip-token', key.token, { name: 'acme.example/issuer/1' })]],
  ['a token key without a name', [{ ...records.token, name: undefined } as unknown as KeyRecord]],
  ['a builder without a name', [record('qip-build', key.build)]],
  [
    'a log of another trust domain',
    [record('qip-log', key.log, { name: 'evil.example/a/1', log: 'evil.example/a/1' })],
  ],
  [
    'a log key with another name',
    [record('qip-log', key.log, { name: 'acme.example/b', log: 'acme.example/a' })],
  ],
  [
    'an issuer of another trust domain',
    [record('qip-token', key.token, { name: 'evil.example/i', log: tokenLog })],
  ],
  ['a set for a key that has none', [record('qip-feed', key.feed, { set: '1' })]],
]
for (const [title, keys] of malformedKeys) {
  test(`does not build a bundle with ${title}`, () => {
    assert.throws(() => buildBundle(bundle({ keys })), { code: 'QIP_TRUST_DOCUMENT_MALFORMED' })
  })
}

const malformed: readonly (readonly [title: string, payload: () => Uint8Array])[] = [
  ['sequence 0', () => altered({ spiffe_sequence: 0 })],
  ['no sequence', () => altered({ spiffe_sequence: undefined })],
  ['more than seven days', () => altered({ expires: nowS - 60 + 604_801 })],
  ['an expiry before its issue', () => altered({ expires: nowS - 61 })],
  ['no keys member', () => altered({ keys: undefined })],
  ['a key that is a list', () => altered({ keys: [[]] })],
  ['another `kid` than the thumbprint', () => withToken((jwk) => (jwk['kid'] = 'x'))],
  ['a private key', () => withToken((jwk) => (jwk['priv'] = 'A'.repeat(43)))],
  ['a cut key', () => withToken((jwk) => (jwk['pub'] = 'AAAA'))],
  ['no `qip` member', () => withToken((jwk) => delete (jwk as Record<string, unknown>)['qip'])],
  ['no state', () => withToken((jwk) => delete jwk.qip['state'])],
  ['a log with a space', () => withToken((jwk) => (jwk.qip['log'] = 'acme.example/tokens/ 1'))],
  ['a log that is the bare domain', () => withToken((jwk) => (jwk.qip['log'] = 'acme.example/'))],
]
for (const [title, payload] of malformed) {
  test(`refuses a bundle with ${title}`, () => {
    assert.throws(() => parseBundle(payload()), { code: 'QIP_TRUST_DOCUMENT_MALFORMED' })
  })
}

test('takes an entry without `kid`, and a refresh hint of five minutes where there is none', () => {
  assert.deepEqual(parseBundle(withToken((jwk) => delete jwk['kid'])).keys, bundle().keys)
  assert.equal(parseBundle(altered({ spiffe_refresh_hint: undefined })).refreshHintS, 300)
})

test('refuses unknown critical members, too many keys and too many feed keys', () => {
  assert.throws(() => parseBundle(altered({ crit: ['x'] })), { code: 'QIP_TRUST_CRITICAL_UNKNOWN' })
  const keys = Array.from({ length: 1_025 }, () => ({ kty: 'EC' }))
  assert.throws(() => parseBundle(altered({ keys })), { code: 'QIP_TRUST_LIMIT_EXCEEDED' })
  const feeds = Array.from({ length: 17 }, (_, n) =>
    record('qip-feed', generatePrivateKey('ML-DSA-44', seededRandom(`feed ${n}`))),
  )
  assert.throws(() => buildBundle(bundle({ keys: feeds })), { code: 'QIP_TRUST_LIMIT_EXCEEDED' })
})

test('verifies a bundle by the threshold of the bundle keys', async () => {
  const bundleKeys = [key.bundle1.publicKey, key.bundle2.publicKey]
  const root = rootDocument({ bundleKeys, bundleThreshold: 2 })
  const both = await signed.bundle({}, [key.bundle1, key.bundle2])
  const { signers } = await verifyBundle({ envelope: both, root, timeS: nowS })
  assert.deepEqual(
    signers,
    bundleKeys.map(({ kid }) => kid),
  )
  for (const by of [[key.bundle1], [key.bundle2], [key.bundle1, key.bundle1], [key.feed]]) {
    const envelope = await signed.bundle({}, by)
    await assert.rejects(verifyBundle({ envelope, root, timeS: nowS }), {
      code: 'QIP_TRUST_SIGNATURES_INSUFFICIENT',
    })
  }
})

const refused: readonly (readonly [title: string, change: Parameters<typeof bundle>[0], code: string])[] = [
  ['for another domain', { td: 'spiffe://evil.example', keys: [records.feed] }, 'QIP_TRUST_DOMAIN_MISMATCH'],
  ['that rests on a later root document', { rootSequence: 2 }, 'QIP_TRUST_DOCUMENT_MISSING'],
  ['that has expired', { issued: nowS - 100, expires: nowS - 31 }, 'QIP_TRUST_DOCUMENT_EXPIRED'],
  ['from the future', { issued: nowS + 31 }, 'QIP_TRUST_TIME_AHEAD'],
]
for (const [title, change, code] of refused) {
  test(`refuses a bundle ${title}`, async () => {
    const envelope = await signed.bundle(change)
    await assert.rejects(verifyBundle({ envelope, root: rootDocument(), timeS: nowS }), { code })
  })
}

test('tolerates clocks that differ by 30 s', async () => {
  for (const change of [{ issued: nowS + 30 }, { expires: nowS - 30 }]) {
    await verifyBundle({ envelope: await signed.bundle(change), root: rootDocument(), timeS: nowS })
  }
})

test('only active and retiring feed keys sign states', () => {
  const states = ['planned', 'published', 'active', 'retiring', 'retired', 'compromised'] as const
  const keys = states.map((state, n) =>
    record('qip-feed', generatePrivateKey('ML-DSA-44', seededRandom(`feed ${n}`)), { state }),
  )
  assert.deepEqual(
    feedKeys(bundle({ keys })).map(({ state }) => state),
    ['active', 'retiring'],
  )
})
