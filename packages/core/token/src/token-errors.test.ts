import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TokenError, type TokenErrorDetails } from './token-errors.ts'

const examples: { readonly [Code in keyof TokenErrorDetails]: TokenErrorDetails[Code] } = {
  QIP_TOKEN_MALFORMED: { form: 'merkle', reason: 'it is not canonical base64url' },
  QIP_TOKEN_TRUNCATED: { form: undefined },
  QIP_TOKEN_CLAIMS_MALFORMED: { reason: 'a number is out of range' },
  QIP_TOKEN_CLAIMS_INVALID: { claim: 'jti', reason: 'must be 16 bytes' },
  QIP_TOKEN_TOO_LONG: { chars: 5_000, charsMax: 4_096 },
  QIP_TOKEN_KEY_MISMATCH: { member: 'kid' },
  QIP_TOKEN_JWS_MALFORMED: { reason: 'it has not three parts' },
  QIP_TOKEN_JWS_HEADER_REFUSED: { member: 'jwk' },
  QIP_TOKEN_ENTRY_MALFORMED: { reason: 'it has not 38 bytes' },
  QIP_TOKEN_CHAIN_REFUSED: { reason: 'it has 8 hops already' },
  QIP_TOKEN_REQUEST_PART_MALFORMED: { part: 'target', reason: 'it is empty' },
  QIP_TOKEN_STAPLE_MALFORMED: { reason: 'an origin is malformed' },
  QIP_TOKEN_STATUS_MALFORMED: { reason: '`status` is not a token' },
  QIP_TOKEN_IDENTIFIER_MALFORMED: { reason: 'not eight groups' },
}

for (const [code, details] of Object.entries(examples)) {
  test(`says ${code} in one plain sentence`, () => {
    const error = new TokenError(code as keyof TokenErrorDetails, details)
    assert.equal(error.code, code)
    assert.equal(error.name, 'TokenError')
    for (const text of [error.message, error.next ?? 'none']) {
      assert.match(text, /^[a-z`].*[^.]$/)
      assert.ok(!/undefined|\[object/.test(text))
    }
  })
}

test('leaves out the form where it is not known', () => {
  assert.equal(
    new TokenError('QIP_TOKEN_MALFORMED', { form: undefined, reason: 'x' }).message,
    'not a token: x',
  )
  assert.equal(
    new TokenError('QIP_TOKEN_MALFORMED', { form: 'jwt', reason: 'x' }).message,
    'not a jwt token: x',
  )
})
