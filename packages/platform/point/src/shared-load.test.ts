import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { SharedLoad, allocateLoadMemory } from './shared-load.ts'

test('counts over threads, and to the limit and not past it', async () => {
  const memory = allocateLoadMemory({ threads: 4 })
  // Each thread takes as many places as it gets, and says how many that were.
  const source = `
    import { parentPort, workerData } from 'node:worker_threads'
    const { SharedLoad } = await import(workerData.module)
    const counter = new SharedLoad(workerData.memory, workerData.thread).counter('in flight')
    let taken = 0
    for (let at = 0; at < 20_000; at++) if (counter.enter(1_000)) taken++
    parentPort.postMessage(taken)
  `
  const module = new URL('./shared-load.ts', import.meta.url).href
  const taken = await Promise.all(
    [0, 1, 2, 3].map(
      (thread) =>
        new Promise<number>((resolve, reject) => {
          const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
            workerData: { memory, thread, module },
          })
          worker.on('message', resolve)
          worker.on('error', reject)
        }),
    ),
  )
  assert.equal(
    taken.reduce((sum, each) => sum + each, 0),
    1_000,
  )
  const counter = new SharedLoad(memory, 0).counter('in flight')
  assert.equal(counter.value, 1_000)
  new SharedLoad(memory, 2).abandon()
  assert.equal(counter.value, 1_000 - (taken[2] ?? 0), 'what a dead thread held is given back')
})

test('keeps names apart, and finds each again', () => {
  const memory = allocateLoadMemory({ threads: 2 })
  const [one, two] = [new SharedLoad(memory, 0), new SharedLoad(memory, 1)]
  const names = Array.from({ length: 500 }, (_, at) => `service ${at}`)
  for (const [at, name] of names.entries())
    for (let count = 0; count <= at % 3; count++) one.counter(name).enter(10)
  assert.deepEqual(
    names.map((name) => two.counter(name).value),
    names.map((_, at) => (at % 3) + 1),
  )
})

test('refuses a thread that the memory has no cells for', () => {
  assert.throws(() => new SharedLoad(allocateLoadMemory({ threads: 2 }), 2), TypeError)
})
