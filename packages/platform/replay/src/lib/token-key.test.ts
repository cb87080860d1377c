import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OneTimeUse } from '@quantum-ip/verifier'
import { memoryKey, partitionOf, partitions, retryTag, tokenKey } from './token-key.ts'

const use: OneTimeUse = {
  log: 'acme.example/tokens/1',
  index: 7,
  issuedS: 0,
  expiresS: 60,
  nowMs: 0,
  requestId: 'r1',
  proxy: 'edge-1',
}

test('a token and the memory of its partition share a hash tag, so that a cluster keeps them in one slot', () => {
  const at = partitionOf(use)
  const tag = /^\{[^}]+\}/
  assert.equal(tag.exec(memoryKey(at))?.[0], tag.exec(tokenKey(at, use))?.[0])
})

test('neighbours are spread over all partitions, evenly', () => {
  const counts = Array.from({ length: partitions }, () => 0)
  for (let index = 0; index < 1_600; index++) {
    const at = partitionOf({ log: use.log, index })
    counts[at] = (counts[at] ?? 0) + 1
  }
  assert.deepEqual(new Set(counts), new Set([100]))
  for (const index of [2 ** 41, 2 ** 48 - 1])
    assert.ok(Number.isInteger(partitionOf({ log: use.log, index })))
})

test('the tag of a retry depends on token, request and proxy, and needs both', () => {
  const tags = [
    use,
    { ...use, index: 8 },
    { ...use, log: 'acme.example/tokens/2' },
    { ...use, requestId: 'r2' },
    { ...use, proxy: 'edge-2' },
    { ...use, requestId: 'r1e', proxy: 'dge-1' },
  ].map(retryTag)
  assert.equal(new Set(tags).size, tags.length)
  assert.equal(retryTag({ ...use, proxy: undefined }), '')
  assert.equal(retryTag({ ...use, requestId: undefined }), '')
})
