import assert from 'node:assert/strict'
import { test } from 'node:test'
import { snapshotFacts } from '@quantum-ip/policy'
import { inputOf, nowMs } from '../test/samples.ts'
import { reasons } from './closed-sets.ts'
import { decisionRecord, factsOfRecord, personalFacts, personalFactsOf } from './index.ts'

const origin = { id: 'edge-1-01', timeMs: nowMs, point: 'edge-1', share: 1 }

test('gives back every fact that a decision was made on, for every reason', () => {
  for (const reason of reasons) {
    for (const authenticated of [true, false]) {
      const input = inputOf(reason, { verdict: { authenticated, oneTime: authenticated }, mark: 'x' })
      // As it comes out of a file or over the network.
      const record = JSON.parse(JSON.stringify(decisionRecord(input, origin)))
      const { facts, missing } = factsOfRecord(record, personalFactsOf(input.facts))
      assert.deepEqual({ ...facts }, { ...snapshotFacts(input.facts), 'env.mode': input.decision.mode })
      assert.deepEqual(missing, [])
    }
  }
})

test('says which facts nobody recorded', () => {
  const record = decisionRecord(inputOf('ok'), origin)
  assert.deepEqual(factsOfRecord(record).missing, personalFacts)
  const { facts: _, ...old } = record
  const { missing, facts } = factsOfRecord(old as typeof record)
  assert.ok(missing.includes('request.method') && !missing.includes('identity'))
  assert.equal(facts['request.method'], '')
})
