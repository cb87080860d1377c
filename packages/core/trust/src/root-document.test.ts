import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseUtf8, utf8 } from '@quantum-ip/base'
import { type Envelope, publicJwk } from '@quantum-ip/crypto'
import { key, nowS, rootDocument, signed, td } from '../test/acme.ts'
import { joinSignatures } from './join-signatures.ts'
import { payloadTypes } from './payload-types.ts'
import { buildRootDocument, parseRootDocument, pinsOf, verifyRootDocument } from './root-document.ts'

function altered(change: object): Uint8Array {
  const json = JSON.parse(parseUtf8(buildRootDocument(rootDocument()))) as object
  return utf8(JSON.stringify({ ...json, ...change }))
}

test('a root document reads back as it was built', () => {
  assert.deepEqual(parseRootDocument(buildRootDocument(rootDocument())), rootDocument())
})

test('the same root document always gives the same bytes', () => {
  const { threshold, roots, ...others } = rootDocument()
  assert.deepEqual(buildRootDocument({ roots, threshold, ...others }), buildRootDocument(rootDocument()))
})

test('unknown members are ignored unless `crit` lists them', () => {
  assert.deepEqual(parseRootDocument(altered({ color: 'red', crit: ['td', 'roots'] })), rootDocument())
  assert.throws(() => parseRootDocument(altered({ color: 'red', crit: ['color'] })), {
    code: 'QIP_TRUST_CRITICAL_UNKNOWN',
    details: { document: 'root', member: 'color' },
  })
})

const jwk = (name: keyof typeof key) => publicJwk(key[name].publicKey)
const malformed: readonly (readonly [title: string, change: object])[] = [
  ['a trust domain with a path', { td: `${td}/x` }],
  ['no trust domain', { td: undefined }],
  ['sequence 0', { sequence: 0 }],
  ['a sequence that is a text', { sequence: '1' }],
  ['a sequence beyond safe integers', { sequence: 2 ** 60 }],
  ['a negative expiry', { expires: -1 }],
  ['a broken expiry', { expires: 1.5 }],
  ['no root keys', { roots: [], threshold: 0 }],
  ['a root key twice', { roots: [jwk('root1'), jwk('root1')] }],
  ['a root key of ML-DSA-65', { roots: [jwk('root1'), jwk('bundle1')] }],
  ['a root key of Ed25519', { roots: [jwk('root1'), jwk('tokenClassic')] }],
  ['an Ed25519 bundle key', { bundleKeys: [jwk('tokenClassic')] }],
  ['a bundle key that is a root key', { bundleKeys: [jwk('root1')] }],
  ['threshold 0', { threshold: 0 }],
  ['a threshold above the number of keys', { threshold: 3 }],
  ['a bundle threshold above the number of keys', { bundleThreshold: 2 }],
  ['a private key', { roots: [{ ...jwk('root1'), priv: 'A'.repeat(43) }, jwk('root2')] }],
  ['a key that is a text', { roots: ['key'] }],
  ['a `crit` that is no list', { crit: 'td' }],
  ['a `crit` of numbers', { crit: [1] }],
]
for (const [title, change] of malformed) {
  test(`refuses a root document with ${title}`, () => {
    assert.throws(() => parseRootDocument(altered(change)), { code: 'QIP_TRUST_DOCUMENT_MALFORMED' })
  })
}

test('refuses a root document with a name twice, and one of too many keys', () => {
  const text = parseUtf8(buildRootDocument(rootDocument()))
  const twice = utf8(text.replace('"sequence":1', '"sequence":1,"sequence":2'))
  assert.throws(() => parseRootDocument(twice), { code: 'QIP_TRUST_DOCUMENT_MALFORMED' })
  const roots = Array.from({ length: 17 }, () => jwk('root1'))
  assert.throws(() => parseRootDocument(altered({ roots })), { code: 'QIP_TRUST_LIMIT_EXCEEDED' })
  assert.throws(() => parseRootDocument(new Uint8Array(1_048_577)), { code: 'QIP_TRUST_LIMIT_EXCEEDED' })
})

test('does not build what it would not read', () => {
  assert.throws(() => buildRootDocument(rootDocument({ threshold: 3 })), {
    code: 'QIP_TRUST_DOCUMENT_MALFORMED',
  })
})

const pins = pinsOf(rootDocument())

test('accepts the pinned root document with both signatures', async () => {
  const envelope = await signed.root()
  const { document, signers, sha256 } = await verifyRootDocument({ envelope, trusted: pins, timeS: nowS })
  assert.deepEqual(document, rootDocument())
  assert.deepEqual(signers, pins.thumbprints)
  assert.equal(sha256.length, 32)
})

test('signatures of keys that are kept apart join in one envelope', async () => {
  const [one, other] = await Promise.all([signed.root({}, [key.root1]), signed.root({}, [key.root2])])
  const timeS = nowS
  const code = 'QIP_TRUST_SIGNATURES_INSUFFICIENT'
  await assert.rejects(verifyRootDocument({ envelope: one, trusted: pins, timeS }), { code })
  const joined = joinSignatures([one, other, one])
  assert.equal(joined.signatures.length, 2)
  await verifyRootDocument({ envelope: joined, trusted: pins, timeS })
  assert.throws(() => joinSignatures([one, { ...other, payload: new Uint8Array(1) }]), TypeError)
  assert.throws(() => joinSignatures([]), TypeError)
})

const first: readonly (readonly [title: string, envelope: () => Promise<Envelope>, code: string])[] = [
  ['one signature of two', () => signed.root({}, [key.root1]), 'QIP_TRUST_SIGNATURES_INSUFFICIENT'],
  [
    'one key signing twice',
    () => signed.root({}, [key.root1, key.root1]),
    'QIP_TRUST_SIGNATURES_INSUFFICIENT',
  ],
  ['a threshold below the pinned one', () => signed.root({ threshold: 1 }), 'QIP_TRUST_ROOT_NOT_PINNED'],
  [
    'another root key',
    () => signed.root({ roots: [key.root1.publicKey, key.root3.publicKey] }, [key.root1, key.root3]),
    'QIP_TRUST_ROOT_NOT_PINNED',
  ],
  [
    'a further root key',
    () => signed.root({ roots: [key.root1.publicKey, key.root2.publicKey, key.root3.publicKey] }),
    'QIP_TRUST_ROOT_NOT_PINNED',
  ],
  [
    'a root key less',
    () => signed.root({ roots: [key.root1.publicKey], threshold: 1 }, [key.root1]),
    'QIP_TRUST_ROOT_NOT_PINNED',
  ],
  ['an expiry in the past', () => signed.root({ expires: nowS - 31 }), 'QIP_TRUST_DOCUMENT_EXPIRED'],
  [
    'the payload type of a state',
    async () => ({ ...(await signed.root()), payloadType: payloadTypes.state }),
    'QIP_TRUST_DOCUMENT_MALFORMED',
  ],
]
for (const [title, make, code] of first) {
  test(`refuses a first root document with ${title}`, async () => {
    await assert.rejects(verifyRootDocument({ envelope: await make(), trusted: pins, timeS: nowS }), { code })
  })
}

test('an expired root document may still lead to its successor, and 30 s are tolerated', async () => {
  const expired = await signed.root({ expires: nowS - 31 })
  await verifyRootDocument({ envelope: expired, trusted: pins, timeS: 'superseded' })
  const envelope = await signed.root({ expires: nowS - 30 })
  await verifyRootDocument({ envelope, trusted: pins, timeS: nowS })
})

const renewed = { sequence: 2, roots: [key.root2.publicKey, key.root3.publicKey] }
const all = [key.root1, key.root2, key.root3]
const successors: readonly (readonly [
  title: string,
  make: () => Promise<Envelope>,
  code: string | undefined,
])[] = [
  ['signed by old and new roots', () => signed.root(renewed, all), undefined],
  ['that skips a number', () => signed.root({ ...renewed, sequence: 9 }, all), undefined],
  [
    'signed by the new roots only',
    () => signed.root(renewed, [key.root2, key.root3]),
    'QIP_TRUST_SIGNATURES_INSUFFICIENT',
  ],
  [
    'signed by the old roots only',
    () => signed.root(renewed, [key.root1, key.root2]),
    'QIP_TRUST_SIGNATURES_INSUFFICIENT',
  ],
  ['with the same number', () => signed.root({ ...renewed, sequence: 1 }, all), 'QIP_TRUST_SEQUENCE_REUSED'],
  [
    'for another domain',
    () => signed.root({ ...renewed, td: 'spiffe://evil.example' }, all),
    'QIP_TRUST_DOMAIN_MISMATCH',
  ],
]
for (const [title, make, code] of successors) {
  test(`${code === undefined ? 'accepts' : 'refuses'} a successor ${title}`, async () => {
    const result = verifyRootDocument({ envelope: await make(), trusted: rootDocument(), timeS: nowS })
    if (code === undefined) await result
    else await assert.rejects(result, { code })
  })
}

test('refuses a predecessor', async () => {
  const trusted = rootDocument({ sequence: 2 })
  await assert.rejects(verifyRootDocument({ envelope: await signed.root(), trusted, timeS: nowS }), {
    code: 'QIP_TRUST_WENT_BACKWARDS',
    details: { document: 'root', what: 'sequence', held: 2, offered: 1 },
  })
})

test('says how many root keys are pinned where some are, and that they are others where none is', async () => {
  const envelope = await signed.root()
  const pinned = pinsOf(rootDocument())
  const verifyPinned = (thumbprints: readonly string[]) =>
    verifyRootDocument({ envelope, trusted: { ...pinned, thumbprints }, timeS: nowS })
  const code = 'QIP_TRUST_ROOT_NOT_PINNED'
  const some = /: 1 of its 2 keys are pinned, of 1 pins: all of its keys are to be pinned, and no others$/
  await assert.rejects(verifyPinned(pinned.thumbprints.slice(0, 1)), { code, message: some })
  await assert.rejects(verifyPinned([key.root3.publicKey.kid]), { code, message: /: its keys are others$/ })
})
