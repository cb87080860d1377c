import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { utf8 } from '@quantum-ip/base'
import { type SseEvent, SseFault, SseParser } from './sse-parser.ts'

function parse(chunks: readonly Uint8Array[], charsMax = 1_000): SseEvent[] {
  const parser = new SseParser(charsMax)
  return chunks.flatMap((chunk) => parser.push(chunk))
}

const event = (data: string, id = '', name = 'message'): SseEvent => ({ id, event: name, data })

test('reads events as the standard says', () => {
  const cases: [stream: string, events: SseEvent[]][] = [
    ['data: a\n\n', [event('a')]],
    ['data:a\r\n\r\n', [event('a')]],
    ['data: a\r\rdata: b\r\r', [event('a'), event('b')]],
    ['data: a\ndata\ndata:  b\n\n', [event('a\n\n b')]],
    ['\ufeffdata: a\n\n', [event('a')]],
    ['id: 7\nevent: state\ndata: a\n\ndata: b\n\n', [event('a', '7', 'state'), event('b', '7')]],
    ['id: 7\n\ndata: a\n\n', [event('a', '7')]],
    ['id: 7\n\nid: 8\0\ndata: a\n\n', [event('a', '7')]],
    ['id: 7\n\nid\ndata: a\n\n', [event('a', '')]],
    [': comment\nother: x\nretry: 10\ndata: a\n\n', [event('a')]],
    ['event: state\n\ndata: a\n\n', [event('a')]],
    ['data: not ended\n', []],
    ['data: ä€😀\n\n', [event('ä€😀')]],
  ]
  for (const [stream, events] of cases) assert.deepEqual(parse([utf8(stream)]), events, stream)
})

test('takes the time after which to come back', () => {
  const parser = new SseParser(100)
  parser.push(utf8('retry: 1500\nretry: soon\n\n'))
  assert.equal(parser.retryMs, 1_500)
})

test('refuses events over the limit, ended or not, and what is not UTF-8', () => {
  assert.equal(parse([utf8(`data: ${'x'.repeat(94)}\n\n`)], 100).length, 1)
  const refused = [
    [utf8(`data: ${'x'.repeat(95)}\n\n`)],
    [utf8('data: x\n'.repeat(15))],
    [utf8('data: '), ...Array.from({ length: 20 }, () => utf8('xxxxx'))],
    [Uint8Array.of(0xff)],
  ]
  for (const chunks of refused) assert.throws(() => parse(chunks, 100), SseFault)
  // Comments go on for as long as the connection does.
  assert.deepEqual(parse([utf8(': still here\n'.repeat(100)), utf8('data: a\n\n')], 100), [event('a')])
})

test('reads the same however the bytes are cut', () => {
  const line = fc.oneof(
    fc.constantFrom('', '', 'data: a', 'data', 'id: 1', 'event: state', ': c', 'retry: 5'),
    fc.string({ unit: fc.constantFrom('d', 'a', 't', ':', ' ', 'ä', '😀', '\0'), maxLength: 8 }),
  )
  const stream = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')), { maxLength: 20 })
  const property = fc.property(stream, fc.array(fc.nat({ max: 200 }), { maxLength: 8 }), (lines, cuts) => {
    const bytes = utf8(lines.map(([text, end]) => text + end).join(''))
    const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].toSorted((a, b) => a - b)
    const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end))
    assert.deepEqual(parse(chunks), parse([bytes]))
  })
  fc.assert(property, { numRuns: 300 })
})
