import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BaseError, type BaseErrorDetails } from './base-errors.ts'
import { isQipError } from './errors.ts'
import { parseHex } from './encoding.ts'
import { parseJson } from './json.ts'
import { parsePattern } from './pattern.ts'
import { parseServiceId, parseTrustDomain } from './service-id.ts'

const details: BaseErrorDetails = {
  QIP_BASE_ENCODING_MALFORMED: { encoding: 'base64url' },
  QIP_BASE_JSON_MALFORMED: { offset: 12, reason: 'expected a value' },
  QIP_BASE_SERVICE_ID_MALFORMED: { reason: 'longer than 512 bytes' },
  QIP_BASE_PATTERN_MALFORMED: { reason: 'it is empty' },
}

for (const code of Object.keys(details) as (keyof BaseErrorDetails)[]) {
  test(`${code} has a message in house style, and is the caller's fault`, () => {
    const error = new BaseError(code, details[code])
    assert.equal(error.name, 'BaseError')
    assert.equal(error.fault, 'caller')
    assert.match(error.message, /^not /)
    assert.doesNotMatch(error.message, /\.$|undefined|\[object/)
    assert.doesNotMatch(error.next ?? '', /\.$|undefined|\[object/)
  })
}

test('no error repeats what it was given: it may have been a secret', () => {
  const secret = 'S3cret-Marker'
  const attempts: (() => unknown)[] = [
    () => parseHex(secret),
    () => parseJson(`{"a":"${secret}"`),
    () => parseJson(`{"${secret}":1,"${secret}":2}`),
    () => parseJson(`"${secret}\\q"`),
    () => parseJson(secret),
    () => parseServiceId(secret),
    () => parseTrustDomain(secret),
    () => parsePattern(`${secret}***`),
  ]
  for (const attempt of attempts) {
    assert.throws(attempt, (error) => {
      assert.ok(isQipError(error))
      const whole = [
        error.message,
        error.next,
        JSON.stringify(error.details),
        error.stack,
        String(error.cause),
      ]
      assert.ok(!whole.join('\n').includes(secret), error.message)
      return true
    })
  }
})
