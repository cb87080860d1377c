import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { formatSessionProof, matchesSession, parseSessionProof } from './session-proof.ts'

const session = { id: 'AAAAAAAAAAAAAAAAAAAAAA', key: new Uint8Array(32).fill(7) }
const request = { method: 'POST', target: '/v1/tokens?x=1' }

test('a proof holds for the very request that it was made for', () => {
  const proof = parseSessionProof(formatSessionProof(session, 1_700_000_000_000, request))
  assert.equal(proof.sessionId, session.id)
  assert.equal(matchesSession(session.key, proof, request), true)
})

test('a proof holds for nothing else', () => {
  const proof = parseSessionProof(formatSessionProof(session, 1_700_000_000_000, request))
  const others = [
    { ...request, method: 'PUT' },
    { ...request, target: '/v1/tokens?x=2' },
  ]
  for (const other of others) assert.equal(matchesSession(session.key, proof, other), false)
  assert.equal(matchesSession(session.key, { ...proof, timeMs: proof.timeMs + 1 }, request), false)
  assert.equal(matchesSession(new Uint8Array(32), proof, request), false)
})

test('refuses what does not follow the grammar', () => {
  for (const value of [
    '',
    'Bearer x',
    'QIP-Session id="short", t=1, mac="x"',
    `${formatSessionProof(session, 1, request)} `,
  ]) {
    assert.throws(
      () => parseSessionProof(value),
      (error) => isQipError(error, 'QIP_CLIENT_PROOF_MALFORMED'),
    )
  }
})
