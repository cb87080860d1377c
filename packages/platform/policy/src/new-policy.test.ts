import assert from 'node:assert/strict'
import { test } from 'node:test'
import { facts } from '../test/samples.ts'
import { compilePolicy, decide, newPolicy, parsePolicy } from './index.ts'

interface Line {
  readonly indent: number
  readonly text: string
}

/** Reads the block style that `newPolicy` writes: mappings, lists, plain scalars, comments. No YAML reader is needed for that. */
function readBlocks(yaml: string): unknown {
  const lines = yaml
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('#'))
    .map((line): Line => ({ indent: line.length - line.trimStart().length, text: line.trim() }))
  return readBlock(lines)
}

function readBlock(lines: readonly Line[]): unknown {
  const [first] = lines
  if (first === undefined) return assert.fail('empty block')
  if (first.text.startsWith('- ')) {
    return splitAt(lines, first.indent).map(([head, ...rest]) => {
      const text = head!.text.slice(2)
      return /^\w+: /.test(text) ? readBlock([{ indent: head!.indent + 2, text }, ...rest]) : text
    })
  }
  return Object.fromEntries(
    splitAt(lines, first.indent).map(([head, ...rest]) => {
      const [key = '', ...value] = head!.text.split(': ')
      if (rest.length > 0) return [key.replace(/:$/, ''), readBlock(rest)]
      const text = value.join(': ')
      return [key, /^\d+$/.test(text) ? Number(text) : text]
    }),
  )
}

function splitAt(lines: readonly Line[], indent: number): Line[][] {
  const blocks: Line[][] = []
  for (const line of lines) {
    if (line.indent === indent) blocks.push([line])
    else blocks.at(-1)!.push(line)
  }
  return blocks
}

test('writes a policy in monitor mode that is accepted as it stands', () => {
  const text = newPolicy('shop')
  const document = parsePolicy(readBlocks(text))
  assert.equal(document.name, 'shop')
  assert.equal(document.version, 1)
  assert.equal(document.mode, 'monitor')
  assert.deepEqual(
    document.rules.map(({ name }) => name),
    ['unattested-builds', 'registry-outage'],
  )
  const policy = compilePolicy(document)
  assert.equal(decide(policy, facts('ok')).wouldBe, 'allow')
  assert.equal(decide(policy, facts('ok', { build: null })).wouldBe, 'quarantine')
  assert.equal(decide(policy, facts('token_absent')).wouldBe, 'reject')
})

test('comments what its owner has to decide', () => {
  const comments = newPolicy('shop').match(/^ *#/gm) ?? []
  assert.ok(comments.length >= 8)
})

test('refuses a name that cannot name a policy', () => {
  for (const name of ['', 'a b', 'a\nspec: {}', 'A', '-a', 'a'.repeat(64)]) {
    assert.throws(() => newPolicy(name), TypeError, name)
  }
})
