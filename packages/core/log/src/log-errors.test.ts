import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogError } from './log-errors.ts'

test('names from outside are cut where they are too long to be names', () => {
  const long = 'x'.repeat(100_000)
  for (const error of [
    new LogError('QIP_LOG_ORIGIN_MISMATCH', { expected: 'a', actual: long }),
    new LogError('QIP_LOG_KEY_UNSUITABLE', { name: long, reason: 'is too long' }),
  ]) {
    assert.ok(error.message.length < 200)
  }
  assert.match(
    new LogError('QIP_LOG_ORIGIN_MISMATCH', { expected: 'a', actual: 'b' }).message,
    /`b`, not of `a`/,
  )
})
