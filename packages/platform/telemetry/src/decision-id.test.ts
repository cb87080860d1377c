import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isQipError, systemRandom } from '@quantum-ip/base'
import { countingRandom, nowMs } from '../test/samples.ts'
import { formatDecisionId, parseDecisionId, parsePoint } from './index.ts'

test('names the enforcement point, the time and 80 random bits', () => {
  assert.equal(formatDecisionId('edge-1', nowMs, countingRandom()), 'edge-1-01mcc5rm000123456789abcdef')
  assert.deepEqual(parseDecisionId('edge-1-01mcc5rm000123456789abcdef'), { point: 'edge-1', timeMs: nowMs })
})

test('reads back what it wrote, and sorts by time', () => {
  const time = fc.integer({ min: 0, max: 2 ** 48 - 1 })
  const point = fc.stringMatching(/^[a-z0-9](?:[a-z0-9.-]{0,20}[a-z0-9])?$/)
  fc.assert(
    fc.property(point, time, time, (point, a, b) => {
      const [first, second] = [a, b].map((timeMs) => formatDecisionId(point, timeMs, systemRandom))
      assert.deepEqual(parseDecisionId(first!), { point, timeMs: a })
      if (a !== b) assert.equal(first! < second!, a < b)
    }),
  )
})

test('refuses what is not a decision ID', () => {
  const good = 'edge-1-01mcc5rm000123456789abcdef'
  const wrong = [
    '',
    'edge-1',
    good.slice(0, -1),
    `${good}0`,
    good.toUpperCase(),
    good.replace('a', 'i'),
    `-${good}`,
  ]
  for (const text of [
    ...wrong,
    good.slice(7),
    good.replace('-01', '-81'),
    `${'x'.repeat(64)}-${good.slice(7)}`,
  ]) {
    assert.throws(
      () => parseDecisionId(text),
      (error) => isQipError(error, 'QIP_TELEMETRY_DECISION_ID_MALFORMED'),
      text,
    )
  }
})

test('refuses names that cannot name an enforcement point', () => {
  for (const point of ['', '-a', 'a-', 'A', 'a b', 'a/b', 'a'.repeat(64)]) {
    assert.throws(
      () => parsePoint(point),
      (error) => isQipError(error, 'QIP_TELEMETRY_POINT_MALFORMED'),
      point,
    )
  }
  for (const point of ['a', 'edge-1', 'eu-1.gateway', 'a'.repeat(63)]) assert.equal(parsePoint(point), point)
})
