import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signaturesAtOnce } from './gateway-verifier.ts'

test('leaves a core and a thread of the pool to everything else, and checks at least one signature at once', () => {
  const rows = [
    [1, 1, 1],
    [2, 1, 1],
    [4, 1, 3],
    [64, 1, 3],
    [8, 3, 1],
    [8, 8, 1],
  ] as const
  for (const [cores, threads, atOnce] of rows) assert.equal(signaturesAtOnce(cores, threads), atOnce)
})
