import { test } from 'node:test'
import assert from 'node:assert/strict'
import { TrustError, type TrustErrorDetails } from './trust-errors.ts'

const details: TrustErrorDetails = {
  QIP_TRUST_DOCUMENT_MALFORMED: { document: 'bundle', path: 'keys[3].qip', reason: 'is not an object' },
  QIP_TRUST_LIMIT_EXCEEDED: { document: 'state', what: '`heads`', limit: 8_192 },
  QIP_TRUST_CRITICAL_UNKNOWN: { document: 'state', member: 'x' },
  QIP_TRUST_DOMAIN_MISMATCH: {
    document: 'root',
    expected: 'spiffe://a.example',
    found: 'spiffe://b.example',
  },
  QIP_TRUST_SIGNATURES_INSUFFICIENT: { document: 'root', signers: 'root keys', threshold: 2 },
  QIP_TRUST_ROOT_NOT_PINNED: { reason: 'its keys are others' },
  QIP_TRUST_DOCUMENT_EXPIRED: { document: 'bundle', expiresS: 10, timeS: 50 },
  QIP_TRUST_TIME_AHEAD: { document: 'state', aheadMs: 31_000 },
  QIP_TRUST_WENT_BACKWARDS: { document: 'state', what: 'seq', held: 2, offered: 1 },
  QIP_TRUST_SEQUENCE_REUSED: { document: 'bundle', what: 'sequence', sequence: 2 },
  QIP_TRUST_KEY_ID_COLLISION: { keyId: '97372706' },
  QIP_TRUST_KEY_CHANGED: { kid: 'k', reason: 'was retired, and is not any more' },
  QIP_TRUST_DOCUMENT_MISSING: { document: 'state', needs: 'bundle', sequence: 2 },
  QIP_TRUST_BUNDLE_MISMATCH: { sequence: 2 },
  QIP_TRUST_REVOCATIONS_MISSING: { held: 1, needed: 3 },
  QIP_TRUST_HEADS_MISSING: { heldSeq: 1, offeredSeq: 3 },
  QIP_TRUST_CHAIN_MISMATCH: { chain: 'heads' },
  QIP_TRUST_LOG_FORKED: { origin: 'a.example/tokens/1', size: 9 },
  QIP_TRUST_SNAPSHOT_MALFORMED: { reason: 'it is cut off' },
  QIP_TRUST_HEAD_CONFLICT: { origin: 'a.example/tokens/1', start: 0, end: 4, held: '00', listed: '01' },
}

for (const code of Object.keys(details) as (keyof TrustErrorDetails)[]) {
  test(`${code} reads as a sentence that begins in lower case and has no full stop`, () => {
    const error = new TrustError(code, details[code])
    assert.match(error.message, /^[a-z][^\n]{10,160}[^.\s]$/)
    assert.equal(error.message.includes('undefined'), false)
    assert.equal(error.name, 'TrustError')
    assert.equal(error.code, code)
    if (error.next !== undefined) assert.match(error.next, /^[a-z].*[^.]$/)
  })
}
