import assert from 'node:assert/strict'
import { test } from 'node:test'
import { several } from './command.ts'
import { StrictCommand } from './strict-command.ts'

function parse(...words: readonly string[]): unknown {
  const command = new StrictCommand('try')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined, writeOut: () => undefined })
    .option('-o, --out <folder>', 'a folder')
    .option('--key <file>', 'files', several)
    .option('--thumbprint <value>', 'a value')
    .option('--json', 'no value')
  command.parse([...words], { from: 'user' })
  return command.opts()
}

test('takes values, also several, standard input, and thumbprints that begin with a dash', () => {
  assert.deepEqual(parse('--out', 'here', '--key', 'a', '--key', '-', '--thumbprint', '-fL3x'), {
    out: 'here',
    key: ['a', '-'],
    thumbprint: '-fL3x',
  })
  assert.deepEqual(parse('--out', './--help'), { out: './--help' })
})

test('takes no option for a value, and no folder or file that begins with a dash', () => {
  const lines = [
    ['--out', '--help'],
    ['--out', '-h'],
    ['-o', '--json'],
    ['--out=--odd'],
    ['--key', '-odd'],
    ['--key', 'a', '--key', '--json'],
    ['--thumbprint', '--help'],
    ['--thumbprint', '--json'],
  ]
  for (const line of lines) assert.throws(() => parse(...line), { code: 'QIP_CLI_USAGE' }, line.join(' '))
})
