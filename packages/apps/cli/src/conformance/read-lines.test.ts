import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type Line, readLines } from './read-lines.ts'

async function read(chunks: readonly string[], bytesMax?: number): Promise<readonly Line[]> {
  const lines: Line[] = []
  async function* input() {
    for (const chunk of chunks) yield Buffer.from(chunk, 'latin1')
  }
  for await (const line of readLines(input(), bytesMax)) lines.push(line)
  return lines
}

test('cuts the same lines out of a text, however it arrives in pieces', async () => {
  const property = fc.asyncProperty(
    fc.array(fc.string({ unit: 'grapheme-ascii' })),
    fc.nat(7),
    async (words, size) => {
      const text = words.join('\n')
      const pieces = text.match(new RegExp(`[^]{1,${size + 1}}`, 'g')) ?? []
      const expected = text.endsWith('\n') || text === '' ? text.split('\n').slice(0, -1) : text.split('\n')
      assert.deepEqual(
        await read(pieces),
        expected.map((line) => ({ text: line })),
      )
    },
  )
  await fc.assert(property, { numRuns: 200 })
})

test('reports a line that is too long once, and reads the next one', async () => {
  assert.deepEqual(await read(['12345', '678', '9\nok\n'], 4), [{ refused: 'too long' }, { text: 'ok' }])
  assert.deepEqual(await read(['1234\n'], 4), [{ text: '1234' }])
})

test('reports a line that is not UTF-8', async () => {
  assert.deepEqual(await read(['\xff\nok']), [{ refused: 'not UTF-8' }, { text: 'ok' }])
})
