import assert from 'node:assert/strict'
import { test } from 'node:test'
import { caller, countingRandom, inputOf, nowMs } from '../test/samples.ts'
import { continueTrace, verifySpan } from './index.ts'

const trace = continueTrace(undefined, { random: countingRandom() })
const times = { trace, startMs: nowMs, endMs: nowMs + 0.02 }

test('describes a verification and its decision', () => {
  const { verdict, decision } = inputOf('ok')
  const span = verifySpan({ ...times, verdict, decision, decisionId: 'edge-1-x' })
  assert.equal(span.name, 'quantum_ip.verify')
  assert.deepEqual(span.attributes, {
    'quantum_ip.status': 'verified',
    'quantum_ip.reason': 'ok',
    'quantum_ip.deep': true,
    'quantum_ip.path': 'cold',
    'quantum_ip.subject': caller,
    'quantum_ip.build': 'ab'.repeat(32),
    'quantum_ip.decision_id': 'edge-1-x',
    'quantum_ip.action': 'allow',
    'quantum_ip.policy.name': 'builtin',
    'quantum_ip.policy.version': 1,
    'quantum_ip.policy.mode': 'enforce',
  })
  assert.deepEqual([span.context, span.parentSpanId, span.status], [trace.context, null, 'unset'])
})

test('names the exception that decided, and its owner', () => {
  const { verdict, decision } = inputOf('ok')
  const exception = { name: 'cutover', owner: 'team-payroll' }
  const { attributes } = verifySpan({ ...times, verdict, decision: { ...decision, exception } })
  assert.equal(attributes['quantum_ip.policy.exception'], 'cutover')
  assert.equal(attributes['quantum_ip.policy.exception.owner'], 'team-payroll')
  assert.deepEqual(attributes['quantum_ip.fail_open'], ['exception'])
})

test('names nobody who is not authenticated', () => {
  const { verdict, decision } = inputOf('signature_invalid')
  const { attributes } = verifySpan({ ...times, verdict, decision })
  assert.ok(!JSON.stringify(attributes).includes('acme.example/ns'))
  assert.equal(attributes['quantum_ip.build'], undefined)
})

test('marks what passed by name only', () => {
  const { verdict, decision } = inputOf('ok')
  const accepted = { ...verdict, notes: { ...verdict.notes, staleTrustAccepted: true } }
  const { attributes } = verifySpan({ ...times, verdict: accepted, decision })
  assert.deepEqual(attributes['quantum_ip.fail_open'], ['stale_trust'])
})
