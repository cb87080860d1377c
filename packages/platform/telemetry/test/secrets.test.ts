import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock, systemRandom } from '@quantum-ip/base'
import {
  DecisionLog,
  Metrics,
  continueTrace,
  decisionLogObserver,
  enforcementMetrics,
  formatMetrics,
  formatRecord,
  parseDecisionId,
  parsePoint,
  parseTraceparent,
  policyObserver,
  verifierObserver,
  verifySpan,
} from '../src/index.ts'
import { reasons } from '../src/closed-sets.ts'
import { inputOf } from './samples.ts'

const mark = 'SECRET-MARK'

test('keeps the request out of records, spans and metrics, for every reason', () => {
  const metrics = new Metrics({ metrics: enforcementMetrics, sets: { enforcement_point: ['edge-1'] } })
  const verifier = verifierObserver({ metrics, point: 'edge-1' })
  const policy = policyObserver({ metrics, point: 'edge-1' })
  const lines: string[] = []
  const log = new DecisionLog({
    point: 'edge-1',
    clock: systemClock,
    random: systemRandom,
    sink: { write: (record) => lines.push(formatRecord(record)) },
    observer: decisionLogObserver({ metrics, point: 'edge-1' }),
    sampleRatio: 1,
  })
  for (const reason of reasons) {
    for (const authenticated of [true, false]) {
      const input = inputOf(reason, { verdict: { authenticated }, mark })
      verifier.verification(mark, reason, 'cold', 1)
      verifier.crypto('verify_jwt', mark, 1)
      policy.decided(input.decision, input.facts)
      const decisionId = log.record(input)
      const span = verifySpan({
        ...input,
        decisionId,
        trace: continueTrace(mark, { random: systemRandom }),
        startMs: 0,
        endMs: 1,
      })
      assert.ok(!JSON.stringify(span).includes(mark), reason)
    }
  }
  assert.equal(lines.length, reasons.length * 2)
  assert.ok(!lines.join('').includes(mark))
  assert.ok(!formatMetrics(metrics).includes(mark))
})

test('repeats no input in the messages of errors', () => {
  for (const parse of [parseDecisionId, parsePoint, parseTraceparent]) {
    assert.throws(
      () => parse(`${mark} ${mark}`),
      (error: Error & { next?: string }) => !`${error.message} ${error.next ?? ''}`.includes(mark),
    )
  }
})
