import { test } from 'node:test'
import assert from 'node:assert/strict'
import { AttestationError, type AttestationErrorDetails } from './attestation-errors.ts'

const details: AttestationErrorDetails = {
  QIP_ATTESTATION_STATEMENT_MALFORMED: { path: 'subject[0]', reason: 'has no digest' },
  QIP_ATTESTATION_BUILDER_UNKNOWN: { builder: 'https://a.example', nearest: 'https://b.example' },
  QIP_ATTESTATION_SIGNATURES_INSUFFICIENT: { builder: 'https://a.example', sets: 1 },
  QIP_ATTESTATION_SUBJECT_MISMATCH: { build: 'ab'.repeat(32), subjects: 2, first: undefined },
  QIP_ATTESTATION_ENTRY_MALFORMED: { reason: 'its version is unknown' },
  QIP_ATTESTATION_ENTRY_MISMATCH: { what: 'build' },
  QIP_ATTESTATION_NOT_LOGGED: { origin: 'a.example/attestations/1', index: 7 },
  QIP_ATTESTATION_EVIDENCE_MALFORMED: { path: 'receipt.index', reason: 'is not an integer' },
  QIP_ATTESTATION_CHECKPOINT_UNTRUSTED: { origin: 'a.example/attestations/1' },
  QIP_ATTESTATION_NOT_ADMITTED: { service: 'spiffe://a.example/s', reason: 'no rule is for it' },
  QIP_ATTESTATION_RULE_MALFORMED: { rule: 'rule 3', member: 'source', reason: 'is not a pattern' },
}

for (const code of Object.keys(details) as (keyof AttestationErrorDetails)[]) {
  test(`${code} reads as a sentence that begins in lower case and has no full stop`, () => {
    const error = new AttestationError(code, details[code])
    assert.match(error.message, /^[a-z][^\n]{10,160}[^.\s]$/)
    assert.equal(error.message.includes('undefined'), false)
    assert.equal(error.name, 'AttestationError')
    if (error.next !== undefined) assert.match(error.next, /^[a-z].*[^.]$/)
  })
}

test('errors say what they can where less is known', () => {
  const unknown = { builder: 'x', nearest: undefined }
  assert.match(new AttestationError('QIP_ATTESTATION_BUILDER_UNKNOWN', unknown).next ?? '', /configuration/)
  const nowhere = { origin: undefined, index: 7 }
  assert.match(new AttestationError('QIP_ATTESTATION_NOT_LOGGED', nowhere).message, /^the log has/)
  const keyless = { builder: 'x', sets: 0 }
  assert.match(new AttestationError('QIP_ATTESTATION_SIGNATURES_INSUFFICIENT', keyless).message, /no keys/)
})
