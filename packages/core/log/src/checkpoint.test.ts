import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base64, hex, isQipError } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { formatCheckpoint, parseCheckpoint } from './checkpoint.ts'
import { emptyRoot } from './hash.ts'

const root = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I='
const empty = base64(emptyRoot())

test('parses the example of the specification', () => {
  const text = `example.com/behind-the-sofa\n20852163\n${root}\n`
  const checkpoint = parseCheckpoint(text)
  assert.equal(checkpoint.origin, 'example.com/behind-the-sofa')
  assert.equal(checkpoint.size, 20_852_163)
  assert.equal(hex(checkpoint.root), '0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62')
  assert.deepEqual(checkpoint.extensions, [])
  assert.equal(formatCheckpoint(checkpoint), text)
})

test('parses extension lines, and origins that are no URLs', () => {
  const checkpoint = parseCheckpoint(`The log + of ünïcode\n0\n${empty}\none\ntwo 2\n`)
  assert.equal(checkpoint.origin, 'The log + of ünïcode')
  assert.deepEqual(checkpoint.extensions, ['one', 'two 2'])
})

const malformed: Record<string, readonly [text: string, line: number]> = {
  nothing: ['', 1],
  'no origin': [`\n1\n${root}\n`, 1],
  'an origin with a control character': [`a\u007fb\n1\n${root}\n`, 1],
  'no size': ['a\n', 2],
  'an empty size': [`a\n\n${root}\n`, 2],
  'leading zeros': [`a\n01\n${root}\n`, 2],
  'a sign': [`a\n+1\n${root}\n`, 2],
  'a negative size': [`a\n-1\n${root}\n`, 2],
  'a hexadecimal size': [`a\n0x1\n${root}\n`, 2],
  'a size with an exponent': [`a\n1e3\n${root}\n`, 2],
  'a size in other digits': [`a\n\u0661\n${root}\n`, 2],
  'a size beyond 2^53': [`a\n9007199254740992\n${root}\n`, 2],
  'no root': ['a\n1\n', 3],
  'a root without padding': [`a\n1\n${root.slice(0, -1)}\n`, 3],
  'a root with trailing bits': [`a\n1\n${root.replace('I=', 'J=')}\n`, 3],
  'a root of 31 bytes': [`a\n1\n${base64(new Uint8Array(31))}\n`, 3],
  'a root of 33 bytes': [`a\n1\n${base64(new Uint8Array(33))}\n`, 3],
  'an empty tree with another root': [`a\n0\n${root}\n`, 3],
  'an empty extension line': [`a\n1\n${root}\n\n`, 4],
  'no final newline': [`a\n1\n${root}`, 3],
}

for (const [what, [text, line]] of Object.entries(malformed)) {
  test(`refuses a checkpoint with ${what}`, () => {
    assert.throws(() => parseCheckpoint(text), { code: 'QIP_LOG_CHECKPOINT_MALFORMED' })
    assert.throws(
      () => parseCheckpoint(text),
      (error: unknown) => (error as { details: { line: number } }).details.line === line,
    )
  })
}

test('formats no checkpoint that would parse to another', () => {
  const good = { origin: 'a', size: 1, root: new Uint8Array(32) }
  for (const change of [
    { origin: '' },
    { origin: 'a\n5' },
    { origin: 'a\n1\n' + root },
    { size: -1 },
    { size: 1.5 },
    { size: 1e21 },
    { root: new Uint8Array(31) },
    { size: 0 },
  ]) {
    assert.throws(() => formatCheckpoint({ ...good, ...change }), { code: 'QIP_LOG_CHECKPOINT_MALFORMED' })
  }
})

test('meets any text with a coded error or a checkpoint that formats to itself', () => {
  const part = fc.oneof(
    fc.constantFrom('\n', 'a', '0', '12', root, empty, ' ', '\u0000'),
    fc.string({ maxLength: 5 }),
  )
  const any = fc.array(part, { maxLength: 9 }).map((parts) => parts.join(''))
  const near = fc
    .tuple(fc.nat(99), fc.constantFrom(root, empty), fc.string({ maxLength: 2 }))
    .map(([size, hash, more]) => `a\n${size}\n${hash}\n${more}`)
  fc.assert(
    fc.property(fc.oneof(any, near), (text) => {
      try {
        const { extensions, ...checkpoint } = parseCheckpoint(text)
        assert.equal([formatCheckpoint(checkpoint), ...extensions.map((line) => `${line}\n`)].join(''), text)
      } catch (error) {
        assert.ok(isQipError(error, 'QIP_LOG_CHECKPOINT_MALFORMED'), String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})
