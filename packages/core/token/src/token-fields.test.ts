import assert from 'node:assert/strict'
import { test } from 'node:test'
import { someToken } from '../test/fixtures.ts'
import { fieldValues, readTokenField, tokenField } from './token-fields.ts'
import { TokenRefusal } from './token-refusal.ts'

test('finds the token among raw fields, in any case', () => {
  for (const name of ['Quantum-IP', 'quantum-ip', 'QUANTUM-IP']) {
    assert.equal(tokenField(['Host', 'a', name, someToken, 'Accept', '*/*']), someToken)
  }
})

test('finds none where there is none, or only a look-alike', () => {
  for (const fields of [
    [],
    ['Host', 'quantum-ip'],
    ['Quantum_IP', someToken],
    ['Quantum-IP-Head', 'x'],
    ['Quantum-IP'],
  ]) {
    assert.equal(tokenField(fields), undefined)
    assert.equal(readTokenField(fields), undefined)
  }
})

test('refuses two tokens, equal or not, and two that were joined', () => {
  for (const second of [someToken, 'qip1.other', '']) {
    const refused = readTokenField(['Quantum-IP', someToken, 'Host', 'a', 'quantum-ip', second])
    assert.ok(refused instanceof TokenRefusal && !refused.truncated)
  }
  const joined = readTokenField(['Quantum-IP', `${someToken}, ${someToken}`])
  assert.ok(joined instanceof TokenRefusal && !joined.truncated)
})

test('reads the token that is there', () => {
  const token = readTokenField(['quantum-ip', someToken])
  assert.ok(token !== undefined && !(token instanceof TokenRefusal))
  assert.equal(token.form, 'compact')
  assert.ok(readTokenField(['quantum-ip', '']) instanceof TokenRefusal)
})

test('lists the values of a field in the order they were sent', () => {
  assert.deepEqual(fieldValues(['A', '1', 'b', '2', 'a', '3'], 'a'), ['1', '3'])
  const many = Array.from({ length: 20_000 }, () => ['quantum-ip', 'x']).flat()
  assert.equal(fieldValues(many, 'Quantum-IP').length, 20_000)
})
