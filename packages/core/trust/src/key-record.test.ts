import { test } from 'node:test'
import assert from 'node:assert/strict'
import { noteKeyId, noteKeyTypes } from '@quantum-ip/crypto'
import { key, records } from '../test/acme.ts'
import { isAcceptable, keyStates, type KeyUse, verifierKeyOf } from './key-record.ts'

const acceptable: Readonly<Record<KeyUse, readonly string[]>> = {
  'qip-token': ['published', 'active', 'retiring'],
  'qip-jwt': ['published', 'active', 'retiring'],
  'qip-log': ['published', 'active', 'retiring', 'retired'],
  'qip-build': ['published', 'active', 'retiring', 'retired'],
  'qip-policy': ['published', 'active', 'retiring', 'retired'],
  'qip-feed': ['active', 'retiring'],
  'qip-kem': ['active'],
}
for (const [use, states] of Object.entries(acceptable)) {
  test(`what a key of use ${use} did counts while it is ${states.join(', ')}`, () => {
    assert.deepEqual(
      keyStates.filter((state) => isAcceptable({ use: use as KeyUse, state })),
      states,
    )
  })
}

test('a log or token key signs notes under its name, Ed25519 with a type of its own', () => {
  const { keyId, type, name } = verifierKeyOf(records.tokenClassic)
  assert.equal(type, noteKeyTypes.subtreeEd25519)
  assert.equal(keyId, noteKeyId({ name, type, bytes: key.tokenClassic.publicKey.bytes }))
  assert.equal(verifierKeyOf(records.log).type, noteKeyTypes.mlDsa44)
  assert.throws(() => verifierKeyOf(records.feed), TypeError)
})
