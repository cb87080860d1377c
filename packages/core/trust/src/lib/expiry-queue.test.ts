import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { ExpiryQueue } from './expiry-queue.ts'

const sorted = (list: readonly (number | undefined)[]) => [...list].sort((a, b) => Number(a) - Number(b))

test('gives items back in the order in which they expire', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50)), fc.array(fc.nat(50)), (first, second) => {
      const queue = new ExpiryQueue<number>()
      for (const time of first) queue.push(time, time)
      const half = Array.from({ length: first.length >> 1 }, () => queue.pop())
      for (const time of second) queue.push(time, time)
      const rest: (number | undefined)[] = []
      while (queue.size > 0) {
        const { nextAt } = queue
        rest.push(queue.pop())
        assert.equal(rest.at(-1), nextAt)
      }
      assert.deepEqual(half, sorted(first).slice(0, half.length))
      assert.deepEqual(rest, sorted([...sorted(first).slice(half.length), ...second]))
    }),
  )
})

test('an empty queue has nothing that expires', () => {
  const queue = new ExpiryQueue<string>()
  assert.deepEqual([queue.pop(), queue.nextAt, queue.size], [undefined, Number.POSITIVE_INFINITY, 0])
})
