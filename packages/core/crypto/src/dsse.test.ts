import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '@quantum-ip/base'
import { signEnvelope, verifyEnvelope } from './dsse.ts'
import { type Envelope, formatEnvelope, pae, parseEnvelope } from './envelope.ts'
import { generatePrivateKey } from './private-key.ts'
import { parsePublicKey } from './public-key.ts'

const payloadType = 'application/vnd.in-toto+json'
const payload = utf8('{"_type":"https://in-toto.io/Statement/v1"}')
const postQuantum = generatePrivateKey('ML-DSA-65')
const classic = generatePrivateKey('Ed25519')
const stranger = generatePrivateKey('ML-DSA-65')
const hybrid = [postQuantum.publicKey, classic.publicKey]
const envelope = await signEnvelope({ payloadType, payload, signers: [postQuantum, classic] })
const missed = { code: 'QIP_CRYPTO_ENVELOPE_THRESHOLD_MISSED' }

function withSignatures(signatures: Envelope['signatures']): Envelope {
  return { ...envelope, signatures }
}

test('a hybrid envelope verifies by both keys and returns the signed bytes and the keys', async () => {
  const verified = await verifyEnvelope({ envelope, keys: hybrid, threshold: 2, payloadType })
  assert.deepEqual(verified.payload, payload)
  assert.equal(verified.payloadType, payloadType)
  assert.deepEqual(verified.keys, hybrid)
})

test('it still verifies after its way through JSON', async () => {
  const received = parseEnvelope(formatEnvelope(envelope))
  const { keys } = await verifyEnvelope({ envelope: received, keys: hybrid, threshold: 2 })
  assert.equal(keys.length, 2)
})

test('one of two signatures does not reach a threshold of two', async () => {
  for (const signature of envelope.signatures) {
    const partial = withSignatures([signature])
    await assert.rejects(verifyEnvelope({ envelope: partial, keys: hybrid, threshold: 2 }), missed)
    assert.equal((await verifyEnvelope({ envelope: partial, keys: hybrid, threshold: 1 })).keys.length, 1)
  }
})

test('one key counts once, however often it signed and whatever key IDs its signatures carry', async () => {
  const again = await postQuantum.sign(pae(payloadType, payload))
  const [first] = envelope.signatures
  assert.ok(first)
  const repeated = withSignatures([
    first,
    first,
    { keyid: classic.publicKey.kid, sig: again },
    { keyid: 'x', sig: again },
  ])
  await assert.rejects(verifyEnvelope({ envelope: repeated, keys: hybrid, threshold: 2 }), missed)
})

test('a key listed twice counts once', async () => {
  const twin = parsePublicKey('ML-DSA-65', postQuantum.publicKey.bytes)
  const input = { envelope: withSignatures(envelope.signatures.slice(0, 1)), threshold: 2 }
  await assert.rejects(verifyEnvelope({ ...input, keys: [postQuantum.publicKey, twin] }), missed)
  const hundred = Array.from({ length: 100 }, () => twin)
  assert.deepEqual((await verifyEnvelope({ ...input, keys: hundred, threshold: 1 })).keys, [twin])
})

test('key IDs are hints: wrong, swapped and missing ones change nothing', async () => {
  const [first, second] = envelope.signatures
  assert.ok(first && second)
  for (const signatures of [
    [{ sig: first.sig }, { sig: second.sig }],
    [
      { keyid: classic.publicKey.kid, sig: first.sig },
      { keyid: postQuantum.publicKey.kid, sig: second.sig },
    ],
    [
      { keyid: stranger.publicKey.kid, sig: first.sig },
      { keyid: 'https://elsewhere.example/key', sig: second.sig },
    ],
  ]) {
    const { keys } = await verifyEnvelope({
      envelope: withSignatures(signatures),
      keys: [stranger.publicKey, ...hybrid],
      threshold: 2,
    })
    assert.deepEqual(keys, hybrid)
  }
})

test('signatures by strangers and broken ones do no harm and count for nothing', async () => {
  const foreign = await signEnvelope({ payloadType, payload, signers: [stranger] })
  const broken = { sig: Uint8Array.from(envelope.signatures[0]?.sig ?? []).fill(0, 0, 8) }
  const short = { sig: new Uint8Array(3) }
  const mixed = withSignatures([broken, short, ...foreign.signatures, ...envelope.signatures])
  assert.deepEqual((await verifyEnvelope({ envelope: mixed, keys: hybrid, threshold: 2 })).keys, hybrid)
  const without = withSignatures([broken, short, ...foreign.signatures])
  await assert.rejects(verifyEnvelope({ envelope: without, keys: hybrid, threshold: 1 }), missed)
})

test('refuses another payload and another payload type', async () => {
  const other = { ...envelope, payload: utf8('{}') }
  const retyped = { ...envelope, payloadType: 'text/plain' }
  for (const changed of [other, retyped]) {
    await assert.rejects(verifyEnvelope({ envelope: changed, keys: hybrid, threshold: 1 }), missed)
  }
  await assert.rejects(verifyEnvelope({ envelope, keys: hybrid, threshold: 2, payloadType: 'text/plain' }), {
    code: 'QIP_CRYPTO_ENVELOPE_TYPE_MISMATCH',
  })
})

test('refuses a threshold that anybody meets, and more keys than it would check', async () => {
  const invalid = { code: 'QIP_CRYPTO_ENVELOPE_POLICY_INVALID' }
  for (const threshold of [0, -1, 1.5, Number.NaN]) {
    await assert.rejects(verifyEnvelope({ envelope, keys: hybrid, threshold }), invalid)
  }
  await assert.rejects(verifyEnvelope({ envelope, keys: [], threshold: 1 }), missed)
  const many = Array.from({ length: 65 }, () => generatePrivateKey('Ed25519').publicKey)
  await assert.rejects(verifyEnvelope({ envelope, keys: many, threshold: 1 }), invalid)
  await assert.rejects(signEnvelope({ payloadType, payload, signers: [] }), TypeError)
})

test('a faulty signer never gets into an envelope', async () => {
  const faulty = { publicKey: classic.publicKey, sign: async () => new Uint8Array(64) }
  await assert.rejects(signEnvelope({ payloadType, payload, signers: [postQuantum, faulty] }), {
    code: 'QIP_CRYPTO_SIGNER_FAULTY',
  })
})
