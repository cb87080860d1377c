import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Challenge, formatChallenge, readChallenge } from './challenge.ts'

test('writes a challenge', () => {
  assert.equal(formatChallenge({ error: 'token_expired' }), 'Quantum-IP error="token_expired"')
  assert.equal(
    formatChallenge({ error: 'head_unknown', head: 'required' }),
    'Quantum-IP error="head_unknown", head="required"',
  )
  for (const error of ['', 'Token', 'a b', 'a"', 'a\r\n', '1a', 'a'.repeat(65)]) {
    assert.throws(() => formatChallenge({ error }), TypeError)
  }
})

const expired: Challenge = { error: 'token_expired' }
const fields: readonly (readonly [field: string, challenge: Challenge | undefined])[] = [
  ['Quantum-IP error="token_expired"', expired],
  ['quantum-ip ERROR="token_expired"', expired],
  ['Quantum-IP error=token_expired', expired],
  ['Quantum-IP  error = "token_expired" , realm="x"', expired],
  ['Bearer realm="a, Quantum-IP error=\\"x\\"", Quantum-IP error="token_expired"', expired],
  ['Negotiate dG9rZW4==, Quantum-IP error="token_expired"', expired],
  ['Negotiate, Quantum-IP error="token_expired", Basic realm="a", head="required"', expired],
  [', ,Quantum-IP error="token_expired"', expired],
  ['Quantum-IP error="head_unknown", head="required"', { error: 'head_unknown', head: 'required' }],
  ['Quantum-IP head="required", error="head_unknown"', { error: 'head_unknown', head: 'required' }],
  ['Quantum-IP error="head_unknown", head="maybe"', { error: 'head_unknown' }],
  ['', undefined],
  ['Bearer error="token_expired"', undefined],
  ['Quantum-IP', undefined],
  ['Quantum-IP head="required"', undefined],
  ['Quantum-IP error="no word"', undefined],
  ['Quantum-IP error="open', undefined],
  ['Basic realm="a", error="token_expired"', undefined],
  [`Quantum-IP ${'x'.repeat(5_000)}`, undefined],
  [`Quantum-IP error="${'\\'.repeat(3_000)}`, undefined],
]

for (const [field, challenge] of fields) {
  test(`reads \`${field.slice(0, 80)}\` as ${challenge?.error ?? 'nothing'}`, () => {
    assert.deepEqual(readChallenge(field), challenge)
  })
}
