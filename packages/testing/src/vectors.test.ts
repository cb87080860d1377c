import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { readVectors, skipWithoutVectors, vectorsFolder } from './vectors.ts'

test('reads plain and gzipped vectors by name', { skip: skipWithoutVectors() }, () => {
  assert.ok(path.isAbsolute(vectorsFolder() ?? ''))
  assert.ok(Object.hasOwn(readVectors('wycheproof/ed25519_test') as object, 'testGroups'))
  assert.ok(Object.hasOwn(readVectors('wycheproof/ed25519_test.json.gz') as object, 'testGroups'))
  assert.ok(Object.hasOwn(readVectors('jose/ML_DSA_44.jose') as object, 'jws'))
})

test('says which vectors are missing', () => {
  assert.throws(() => readVectors('nowhere/nothing'), /no vectors `nowhere\/nothing`/)
  assert.match(String(skipWithoutVectors('nowhere')), /no vectors in/)
})
