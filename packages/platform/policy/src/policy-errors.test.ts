import assert from 'node:assert/strict'
import { test } from 'node:test'
import { facts, policyOf } from '../test/samples.ts'
import { type Facts, decide } from './index.ts'

const secret = 'qip1.SECRET-MARK'

test('puts nothing of the request into a decision', () => {
  const policy = policyOf({
    rules: [
      { name: 'failing', when: 'identity.chain[4] == request.path', action: 'reject' },
      { name: 'r', when: 'request.path == "/"', action: 'reject' },
    ],
  })
  const marked: Partial<Facts> = {
    'request.path': secret,
    'request.host': secret,
    'request.jwt': secret,
    'request.mtls': secret,
    'request.route': secret,
    'identity.chain': [secret],
  }
  for (const reason of ['ok', 'token_absent', 'signature_invalid'] as const) {
    assert.ok(!JSON.stringify(decide(policy, facts(reason, marked))).includes('SECRET'), reason)
  }
})
