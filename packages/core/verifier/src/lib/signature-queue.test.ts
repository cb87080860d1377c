import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulatedClock } from '@quantum-ip/testing'
import { callerClass, idleClass, SignatureQueue } from './signature-queue.ts'

function scene(limits: { atOnce?: number; waitingMax?: number } = {}) {
  const clock = simulatedClock(0)
  const queue = new SignatureQueue({ atOnce: 1, waitingMax: 3, waitMsMax: 100, ...limits }, clock)
  const order: string[] = []
  const open: (() => void)[] = []
  const ask = (name: string, place: number): Promise<string> =>
    queue.run(place, async () => {
      order.push(name)
      await new Promise<void>((resolve) => open.push(resolve))
      return name
    })
  const finish = async (): Promise<void> => {
    open.shift()?.()
    for (let turn = 0; turn < 8; turn++) await Promise.resolve()
  }
  return { clock, queue, order, ask, finish }
}

test('runs a few at once, and what matters more first', async () => {
  const { order, ask, finish } = scene({ waitingMax: 10 })
  const asked = [
    ask('first', callerClass(2, 'jwt')),
    ask('suspect', idleClass),
    ask('low jwt', callerClass(2, 'jwt')),
    ask('critical jwt', callerClass(0, 'jwt')),
    ask('critical head', callerClass(0, 'head')),
    ask('own', 0),
  ]
  for (let at = 0; at < asked.length; at++) {
    assert.equal(order.length, at + 1, 'one at a time')
    await finish()
  }
  assert.deepEqual(order, ['first', 'own', 'critical head', 'critical jwt', 'low jwt', 'suspect'])
  await Promise.all(asked)
})

test('sheds the newest of those that matter least when too many wait, and never what it asked for itself', async () => {
  const { ask, finish, order } = scene()
  const running = ask('running', callerClass(1, 'jwt'))
  const low = [1, 2, 3].map((at) => ask(`low ${at}`, callerClass(2, 'jwt')))
  assert.equal(await ask('low 4', callerClass(2, 'jwt')), 'shed')
  const critical = ask('critical', callerClass(0, 'jwt'))
  assert.equal(await low[2], 'shed')
  const own = [1, 2, 3, 4].map((at) => ask(`own ${at}`, 0))
  for (let at = 0; at < 8; at++) await finish()
  await Promise.all([running, critical, ...own, low[0], low[1]])
  assert.deepEqual(order.slice(1), ['own 1', 'own 2', 'own 3', 'own 4', 'critical', 'low 1', 'low 2'])
})

test('sheds what waited too long, when its turn comes', async () => {
  const { clock, queue, ask, finish, order } = scene()
  const running = ask('running', callerClass(1, 'jwt'))
  const [late, own] = [ask('late', callerClass(0, 'jwt')), ask('own', 0)]
  clock.advance(101)
  const young = ask('young', callerClass(2, 'jwt'))
  for (let at = 0; at < 3; at++) await finish()
  assert.deepEqual(await Promise.all([running, late, own, young]), ['running', 'shed', 'own', 'young'])
  assert.deepEqual(order, ['running', 'own', 'young'])
  assert.equal(queue.size, 0)
})

test('goes on after a check that failed', async () => {
  const { queue } = scene()
  await assert.rejects(
    queue.run(1, () => Promise.reject(new Error('planned'))),
    /planned/,
  )
  assert.equal(await queue.run(1, () => Promise.resolve('next')), 'next')
})
