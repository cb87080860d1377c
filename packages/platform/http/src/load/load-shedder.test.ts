import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openLoadShedder } from './load-shedder.ts'

test('sheds when requests see that the timer is long overdue, low priorities first', () => {
  let nowMs = 0
  using shedder = openLoadShedder({
    delayTargetMs: 20,
    windowMs: 100,
    nowMs: () => nowMs,
    cpuMs: () => nowMs,
  })
  const admitted = [0, 0, 0]
  for (let request = 0; request < 6_000; request++) {
    // The timer never runs: nothing in here gives way to it.
    nowMs += 1
    const priority = request % 3
    if (shedder.admit(priority)) admitted[priority] = (admitted[priority] ?? 0) + 1
  }
  const [critical = 0, standard = 0, low = 0] = admitted
  assert.ok(critical > standard && standard >= low, admitted.join())
  assert.ok(low < 1_000, admitted.join())
  assert.ok(shedder.delayMs > 20)
  assert.deepEqual(shedder.shares()[2], 0)
})

test('sheds nothing while the thread keeps up', async () => {
  using shedder = openLoadShedder({ delayTargetMs: 10_000, windowMs: 20 })
  for (let request = 0; request < 20; request++) {
    assert.ok(shedder.admit(request % 3))
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
  }
  assert.deepEqual(shedder.shares(), [1, 1, 1])
})

test('lets who was shed wait for two to three windows, and nobody after it was closed', async () => {
  let nowMs = 0
  const shedder = openLoadShedder({
    delayTargetMs: 20,
    windowMs: 100,
    nowMs: () => nowMs,
    cpuMs: () => nowMs,
  })
  let waiting = true
  void shedder.pause().then(() => {
    waiting = false
  })
  const look = async (atMs: number): Promise<boolean> => {
    nowMs = atMs
    shedder.admit(0)
    await Promise.resolve()
    await Promise.resolve()
    return waiting
  }
  assert.deepEqual([await look(250), await look(500), await look(750)], [true, true, false])
  const last = shedder.pause()
  shedder[Symbol.dispose]()
  await last
  await shedder.pause()
})
