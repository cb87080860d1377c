import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { folder, memoryStore, testLog, verifyPublished } from '../../test/support.ts'
import { directoryStore } from '../store/directory-store.ts'
import { publishTiles } from './publish-tiles.ts'

test('what is published verifies whole, at every size on the way', async () => {
  await using place = await folder()
  const store = directoryStore(place.path)
  const log = await testLog()
  let outdated: number | undefined
  for (const count of [1, 1, 253, 1, 1, 300, 700]) {
    await log.grow(count)
    const { from, to } = await publishTiles({
      source: log.log,
      note: await log.checkpoint(),
      store,
      ...(outdated !== undefined && { outdated }),
    })
    assert.equal((await verifyPublished(store, log)).size, to)
    outdated = from
  }
})

test('a writer that is cut off at any write leaves a whole log, and the next one goes on', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }),
      fc.infiniteStream(fc.integer({ min: 0, max: 12 })),
      async (counts, cuts) => {
        const store = memoryStore()
        const log = await testLog()
        let readable = 0
        for (const count of counts) {
          await log.grow(count)
          const note = await log.checkpoint()
          for (;;) {
            let left = cuts.next().value as number
            store.beforeWrite = () => {
              if (left-- === 0) throw new Error('cut off')
            }
            const ended = await publishTiles({ source: log.log, note, store, resume: true }).then(
              () => 'done',
              () => 'cut',
            )
            if (store.objects.has('tokens/1/checkpoint')) {
              const { size } = await verifyPublished(store, log)
              assert.ok(size >= readable)
              readable = size
            }
            if (ended === 'done') break
          }
          assert.equal(readable, log.log.head().size)
        }
      },
    ),
    { numRuns: 15 },
  )
})

test('a reader that took the checkpoint before finds its partial tiles still; those before it are gone', async () => {
  const store = memoryStore()
  const log = await testLog()
  await log.grow(3)
  await publishTiles({ source: log.log, note: await log.checkpoint(), store })
  await log.grow(4)
  await publishTiles({ source: log.log, note: await log.checkpoint(), store, outdated: 0 })
  assert.ok(store.objects.has('tokens/1/tile/0/000.p/3'))
  await log.grow(2)
  await publishTiles({ source: log.log, note: await log.checkpoint(), store, outdated: 3 })
  assert.deepEqual([...store.objects.keys()].sort(), [
    'tokens/1/checkpoint',
    'tokens/1/tile/0/000.p/7',
    'tokens/1/tile/0/000.p/9',
    'tokens/1/tile/entries/000.p/7',
    'tokens/1/tile/entries/000.p/9',
  ])
})

test('another log under the same name is left as it is', async () => {
  const store = memoryStore()
  const log = await testLog()
  await log.grow(5)
  await publishTiles({ source: log.log, note: await log.checkpoint(), store })
  const before = new Map(store.objects)
  const other = await testLog({ key: log.key })
  await other.grow(9, 'other')
  const publishing = publishTiles({ source: other.log, note: await other.checkpoint(), store })
  await assert.rejects(publishing, { code: 'QIP_MIRROR_PUBLISHED_OTHERWISE' })
  assert.deepEqual(store.objects, before)
})

test('an older checkpoint never takes the place of a newer one', async () => {
  const store = memoryStore()
  const log = await testLog()
  await log.grow(5)
  const older = await log.checkpoint()
  await log.grow(5)
  await publishTiles({ source: log.log, note: await log.checkpoint(), store })
  assert.deepEqual(await publishTiles({ source: log.log, note: older, store }), {
    from: 10,
    to: 10,
    written: 0,
  })
})

test('a damaged checkpoint is written again', async () => {
  const store = memoryStore()
  const log = await testLog()
  await log.grow(5)
  const note = await log.checkpoint()
  await publishTiles({ source: log.log, note, store })
  store.objects.set('tokens/1/checkpoint', new Uint8Array(7))
  await publishTiles({ source: log.log, note, store })
  assert.equal((await verifyPublished(store, log)).size, 5)
})
