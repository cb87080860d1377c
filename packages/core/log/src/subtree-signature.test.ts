import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex } from '@quantum-ip/base'
import { generatePrivateKey, noteKeyTypes, noteVerifierKey } from '@quantum-ip/crypto'
import { seededRandom } from '@quantum-ip/testing'
import { emptyRoot } from './hash.ts'
import { subtreeMessage } from './subtree-message.ts'
import { signSubtree, subtreeVerifierKey, verifySubtreeSignature } from './subtree-signature.ts'

const head = { origin: 'ledger.example/tok', start: 1_024, end: 1_536, hash: emptyRoot() }
const statement = { ...head, cosigner: 'issuer.example/tok', timestamp: 0 }

test('lays out the message as the specification does', () => {
  assert.equal(
    hex(subtreeMessage(statement)),
    '737562747265652f76310a00126973737565722e6578616d706c652f746f6b0000000000000000126c65646765722e6578616d706c652f' +
      '746f6b00000000000004000000000000000600e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  )
})

test('carries indices beyond 2^32', () => {
  const start = 2 ** 47
  const bytes = subtreeMessage({ ...statement, start, end: start + 2 ** 33 })
  assert.equal(hex(bytes.subarray(-48)).slice(0, 32), '00008000000000000000800200000000')
})

const refused: readonly [string, Partial<typeof statement>, { code: string } | { name: string }][] = [
  ['that is not aligned', { start: 1_000 }, { code: 'QIP_LOG_SUBTREE_INVALID' }],
  ['that runs backwards', { start: 2_048 }, { code: 'QIP_LOG_SUBTREE_INVALID' }],
  ['of a cosigner without name', { cosigner: '' }, { code: 'QIP_LOG_KEY_UNSUITABLE' }],
  ['of a cosigner with too long a name', { cosigner: 'ü'.repeat(128) }, { code: 'QIP_LOG_KEY_UNSUITABLE' }],
  ['of a log with half a character', { origin: '\ud800' }, { code: 'QIP_LOG_KEY_UNSUITABLE' }],
  ['with a timestamp', { timestamp: 1 }, { name: 'TypeError' }],
  ['with a short hash', { hash: new Uint8Array(31) }, { name: 'TypeError' }],
]

for (const [what, change, expected] of refused) {
  test(`makes no statement on a subtree ${what}`, () => {
    assert.throws(() => subtreeMessage({ ...statement, ...change }), expected)
  })
}

test('a whole tree may have a timestamp', () => {
  assert.equal(subtreeMessage({ ...statement, start: 0, timestamp: 1 }).length, 106)
})

for (const alg of ['ML-DSA-44', 'Ed25519'] as const) {
  test(`a subtree signed with ${alg} verifies under its own place, name and key only`, async () => {
    const signer = generatePrivateKey(alg, seededRandom(alg))
    const name = 'issuer.example/tok'
    const key = subtreeVerifierKey(name, signer.publicKey)
    const { keyId, signature } = await signSubtree(head, { name, signer })
    assert.equal(keyId, key.keyId)
    assert.equal(key.type, alg === 'Ed25519' ? noteKeyTypes.subtreeEd25519 : noteKeyTypes.mlDsa44)
    assert.equal(await verifySubtreeSignature(head, key, signature), head)
    const code = { code: 'QIP_LOG_SIGNATURE_INVALID' }
    for (const change of [
      { start: 1_536, end: 2_048 },
      { end: 1_535 },
      { origin: 'ledger.example/to' },
      { hash: new Uint8Array(32) },
    ]) {
      await assert.rejects(verifySubtreeSignature({ ...head, ...change }, key, signature), code)
    }
    const renamed = subtreeVerifierKey('issuer.example/other', signer.publicKey)
    await assert.rejects(verifySubtreeSignature(head, renamed, signature), code)
    const other = subtreeVerifierKey(name, generatePrivateKey(alg, seededRandom('other')).publicKey)
    await assert.rejects(verifySubtreeSignature(head, other, signature), code)
    await assert.rejects(verifySubtreeSignature(head, key, signature.subarray(1)), code)
  })
}

test('keys of other algorithms and types sign no subtrees', async () => {
  const { publicKey } = generatePrivateKey('ML-DSA-65', seededRandom(1))
  assert.throws(() => subtreeVerifierKey('a', publicKey), { code: 'QIP_LOG_KEY_UNSUITABLE' })
  const classic = generatePrivateKey('Ed25519', seededRandom(2)).publicKey
  const plain = noteVerifierKey({ name: 'a', type: noteKeyTypes.ed25519, key: classic })
  await assert.rejects(verifySubtreeSignature(head, plain, new Uint8Array(64)), {
    code: 'QIP_LOG_KEY_UNSUITABLE',
  })
})
