import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countingRandom } from '../../test/samples.ts'
import { drawMax, SampleDraws } from './sample-draws.ts'

test('makes each two bytes of the generator one number, and uses none twice', () => {
  const draws = new SampleDraws(countingRandom())
  const same = countingRandom()
  for (let n = 0; n < 3_000; n++) {
    const [high = 0, low = 0] = same.bytes(2)
    assert.equal(draws.next(), high * 256 + low, String(n))
  }
})

test('reaches both ends of its range, and nothing beyond', () => {
  const lowest = new SampleDraws({ bytes: (size) => new Uint8Array(size) })
  const highest = new SampleDraws({ bytes: (size) => new Uint8Array(size).fill(255) })
  assert.equal(lowest.next(), 0)
  assert.equal(highest.next(), drawMax - 1)
})
