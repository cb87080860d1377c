import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { bundlePath, parseTilePath, tilePath, tileWidth } from './tile.ts'

const paths: Record<string, Parameters<typeof tilePath>[0]> = {
  'tile/0/000': { level: 0, index: 0, width: 256 },
  'tile/0/x001/x234/067': { level: 0, index: 1_234_067, width: 256 },
  'tile/3/999': { level: 3, index: 999, width: 256 },
  'tile/1/x001/000.p/7': { level: 1, index: 1_000, width: 7 },
  'tile/63/000.p/255': { level: 63, index: 0, width: 255 },
  'tile/0/x001/x099/x511/x627/775': { level: 0, index: 2 ** 40 - 1, width: 256 },
}

for (const [path, tile] of Object.entries(paths)) {
  test(`${path} is the path of its tile`, () => {
    assert.equal(tilePath(tile), path)
    assert.deepEqual(parseTilePath(path), { kind: 'tile', ...tile })
  })
}

test('entry bundles have paths of their own', () => {
  assert.equal(bundlePath({ index: 1_234_067, width: 9 }), 'tile/entries/x001/x234/067.p/9')
  assert.deepEqual(parseTilePath('tile/entries/x001/000'), { kind: 'entries', index: 1_000, width: 256 })
})

for (const path of [
  '',
  'tile',
  '/tile/0/000',
  'tile/0/000/',
  'tile/00/000',
  'tile/64/000',
  'tile/-1/000',
  'tile/0/0',
  'tile/0/0000',
  'tile/0/001/000',
  'tile/0/x000/001',
  'tile/0/x001',
  'tile/0/X001/000',
  'tile/0/000.p/0',
  'tile/0/000.p/01',
  'tile/0/000.p/256',
  'tile/0/000.p/',
  'tile/0/000.p/1/',
  'tile/entry/000',
  'tile/0/x999/x999/x999/x999/x999/999',
  'tile/0/x001/x001/x001/x001/x001/x001/000',
  'tile/0/../../checkpoint',
  'tile/0/%30%30%30',
]) {
  test(`\`${path}\` is no path of a tile`, () => {
    assert.throws(() => parseTilePath(path), { code: 'QIP_LOG_TILE_PATH_MALFORMED' })
  })
}

test('any text is refused by code or formats to itself', () => {
  const part = fc.constantFrom(
    'tile',
    '/',
    'entries',
    '0',
    '1',
    '63',
    'x',
    '000',
    '123',
    '.p/',
    '9',
    '255',
    '.',
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 9 }), (parts) => {
      const path = parts.join('')
      try {
        const parsed = parseTilePath(path)
        assert.equal(parsed.kind === 'tile' ? tilePath(parsed) : bundlePath(parsed), path)
      } catch (error) {
        assert.ok(isQipError(error, 'QIP_LOG_TILE_PATH_MALFORMED'), String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})

function width(level: number, index: number): number {
  return tileWidth(70_000, level, index)
}

test('a tree of 70,000 leaves has the tiles of the example in the specification', () => {
  assert.deepEqual([width(0, 272), width(0, 273), width(0, 274)], [256, 112, 0])
  assert.deepEqual([width(1, 0), width(1, 1), width(1, 2)], [256, 17, 0])
  assert.deepEqual([width(2, 0), width(2, 1), width(3, 0)], [1, 0, 0])
  assert.deepEqual([tileWidth(256, 0, 0), tileWidth(256, 1, 0)], [256, 1])
  assert.equal(tileWidth(2 ** 48 - 1, 0, 2 ** 40 - 1), 255)
})
