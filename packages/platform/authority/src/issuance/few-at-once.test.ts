import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'node:test'
import { FewAtOnce } from './few-at-once.ts'

test('runs so many at once and no more, in order, also after one that failed', async () => {
  const few = new FewAtOnce(3)
  const order: number[] = []
  let running = 0
  let most = 0
  const ran = await Promise.allSettled(
    Array.from({ length: 20 }, (_, at) =>
      few.run(async () => {
        order.push(at)
        most = Math.max(most, ++running)
        await turn()
        running--
        if (at === 5) throw new Error('planned')
        return at
      }),
    ),
  )
  assert.deepEqual([most, running], [3, 0])
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  )
  assert.equal(ran.filter(({ status }) => status === 'fulfilled').length, 19)
})
