import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { Output, tone } from './output.ts'

function outputTo(isTerminal: boolean, json = false): { output: Output; text: () => string } {
  let text = ''
  const stdout = new PassThrough().on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const io = { stdin: Readable.from([]), stdout, stderr: stdout, isTerminal, showsProgress: false }
  return { output: new Output(io, { json }), text: () => text }
}

test('aligns tables and facts by what is seen, with and without colours', () => {
  for (const isTerminal of [false, true]) {
    const { output, text } = outputTo(isTerminal)
    output.table(
      ['key', 'state'],
      [
        [tone('good', 'a'), 'active'],
        ['long-one', tone('bad', 'compromised')],
      ],
    )
    output.facts([['name', 'x'], undefined, ['longer', tone('warn', 'y')]])
    // oxlint-disable-next-line no-control-regex -- colours are control sequences
    const seen = text().replaceAll(/\u001b\[\d+m/g, '')
    assert.equal(
      seen.replaceAll(/ +$/gm, ''),
      'key      state\na        active\nlong-one compromised\n  name    x\n  longer  y\n',
    )
    assert.equal(text() !== seen, isTerminal)
  }
})

test('lets nothing that somebody else wrote move the cursor, colour, reverse, or begin a row', () => {
  const { output, text } = outputTo(false)
  output.line('a\u001b[2Jb', tone('bad', 'c\u009b1md\u202e'), 'first\nsecond')
  output.table(['point'], [['edge\r\nok 1'], [tone('good', 'x\u001b]0;title\u0007')]])
  output.facts([['name', 'y\u001b[A']])
  output.note('z\u001b[A')
  assert.equal(text(), 'a?[2Jb c?1md? first\nsecond\npoint\nedge? ok 1\nx?]0;title?\n  name  y?[A\nz?[A\n')
})

test('writes one line of JSON, and nothing for people, where JSON was asked for', () => {
  const { output, text } = outputTo(true, true)
  output.show({ a: 1 }, () => output.line('for people'))
  assert.equal(text(), '{"a":1}\n')
})
