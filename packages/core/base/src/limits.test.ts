import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from './limits.ts'

const holds: [statement: string, holds: boolean][] = [
  [
    'a path reaches every leaf under the largest subtree',
    2 ** limits.pathHashesMax === limits.subtreeLeavesMax,
  ],
  ['a batch fits under one subtree', limits.batchTokensMax <= limits.subtreeLeavesMax],
  ['what is issued is accepted', limits.tokenCharsIssued <= limits.tokenCharsMax],
  ['what is accepted fits into its field', limits.tokenCharsMax <= limits.headerFieldMax],
  ['an index is a safe integer and has 48 bits', limits.logIndexEnd === 2 ** 48],
  ['a token of one use lives no longer than one of many', limits.oneTimeTtlMaxS <= limits.tokenTtlMaxS],
  ['a token lives as long as any by default', limits.tokenTtlDefaultS <= limits.tokenTtlMaxS],
  ['a token outlives what clocks may differ by', limits.tokenTtlDefaultS > 2 * limits.clockToleranceS],
  ['an entry has a length that two bytes hold', limits.logEntryBytesMax === 2 ** 16 - 1],
]
for (const [statement, isTrue] of holds) test(statement, () => assert.ok(isTrue))

test('every limit is a whole number from 1 up', () => {
  for (const [name, value] of Object.entries(limits))
    assert.ok(Number.isSafeInteger(value) && value > 0, name)
})
