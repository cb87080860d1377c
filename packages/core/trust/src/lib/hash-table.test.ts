import { test } from 'node:test'
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { HashTable } from './hash-table.ts'

test('holds what a map by text would, whatever hashes begin with', () => {
  const key = fc
    .tuple(fc.nat(2), fc.nat(2))
    .map(([a, b]) => Uint8Array.from({ length: 32 }, (_, i) => (i < 4 ? a : b)))
  const step = fc.record({ key, isDeletion: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const table = new HashTable<number>()
      const model = new Map<string, number>()
      for (const [n, { key, isDeletion }] of steps.entries()) {
        const text = key.join()
        assert.equal(table.get(key), model.get(text))
        if (isDeletion) {
          table.delete(key)
          model.delete(text)
        } else if (!model.has(text)) {
          table.add(key, n)
          model.set(text, n)
        }
        assert.equal(table.size, model.size)
      }
      for (const { key } of steps) assert.equal(table.get(key), model.get(key.join()))
    }),
  )
})
