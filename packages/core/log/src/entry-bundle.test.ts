import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { formatEntryBundle, parseEntryBundle, sliceEntryBundle } from './entry-bundle.ts'

const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 })

test('what is packed parses to the same, whole and in part', () => {
  fc.assert(
    fc.property(entries, fc.nat(20), fc.nat(20), (list, a, b) => {
      const bundle = formatEntryBundle(list)
      assert.deepEqual(parseEntryBundle(bundle, list.length), list)
      const [from, to] = [Math.min(a, list.length), Math.min(b, list.length)]
      assert.deepEqual(sliceEntryBundle(bundle, from, to), formatEntryBundle(list.slice(from, to)))
    }),
  )
})

test('entries have up to 65,535 bytes', () => {
  const longest = new Uint8Array(65_535).fill(3)
  assert.deepEqual(parseEntryBundle(formatEntryBundle([longest])), [longest])
  assert.throws(() => formatEntryBundle([new Uint8Array(65_536)]), { code: 'QIP_LOG_ENTRY_TOO_LONG' })
})

for (const [what, bytes, count] of [
  ['half a length', [0], undefined],
  ['half an entry', [0, 2, 9], undefined],
  ['an entry too few', [0, 0], 2],
  ['an entry too many', [0, 0, 0, 0], 1],
] as const) {
  test(`refuses a bundle with ${what}`, () => {
    assert.throws(() => parseEntryBundle(Uint8Array.from(bytes), count), { code: 'QIP_LOG_BUNDLE_MALFORMED' })
  })
}

test('refuses a slice that the bundle does not hold', () => {
  assert.throws(() => sliceEntryBundle(Uint8Array.of(0, 0), 0, 2), { code: 'QIP_LOG_BUNDLE_MALFORMED' })
})

test('any bytes are refused by code or pack to themselves', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30, max: 4 }), (bytes) => {
      try {
        assert.deepEqual(formatEntryBundle(parseEntryBundle(bytes)), bytes)
      } catch (error) {
        assert.ok(isQipError(error, 'QIP_LOG_BUNDLE_MALFORMED'), String(error))
      }
    }),
  )
})
