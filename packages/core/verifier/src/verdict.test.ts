import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reasonIndex, reasons, statuses, statusOf, verdictTable } from './verdict.ts'

test('gives each reason one status of the four', () => {
  for (const reason of reasons) {
    assert.ok(statuses.includes(statusOf(reason)), reason)
    assert.equal(statusOf(reason), verdictTable[reason].status)
  }
})

test('has the reasons of the specification, grouped by status in its order', () => {
  const byStatus = Object.fromEntries(
    statuses.map((status) => [status, reasons.filter((reason) => statusOf(reason) === status)]),
  )
  assert.deepEqual(byStatus, {
    verified: ['ok', 'ok_shallow', 'ok_retry'],
    missing: ['token_absent', 'token_stripped', 'token_truncated'],
    invalid: [
      'token_malformed',
      'key_unknown',
      'signature_invalid',
      'head_unknown',
      'token_expired',
      'token_not_yet_valid',
      'audience_mismatch',
      'binding_mismatch',
      'token_replayed',
      'key_revoked',
      'token_revoked',
      'identity_revoked',
      'build_revoked',
      'attestation_invalid',
    ],
    unverifiable: [
      'trust_stale',
      'head_unavailable',
      'attestation_unavailable',
      'attestation_stale',
      'replay_unavailable',
      'overloaded',
    ],
  })
})

test('numbers reasons by their place', () => {
  for (const [place, reason] of reasons.entries()) assert.equal(reasonIndex(reason), place)
})

test('says when each reason is given, in one text for the reference page', () => {
  for (const reason of reasons) assert.match(verdictTable[reason].when, /^[A-Z].*\.$/, reason)
})
