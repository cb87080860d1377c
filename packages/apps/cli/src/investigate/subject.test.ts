import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemRandom } from '@quantum-ip/base'
import { formatDecisionId } from '@quantum-ip/telemetry'
import { CliError } from '../cli-errors.ts'
import { parseSubject } from './subject.ts'

const digest = 'ab'.repeat(32)
const decision = formatDecisionId('edge-1', 1_795_363_000_000, systemRandom)

for (const [text, kind, value] of [
  [digest, 'build', digest],
  [`sha256:${digest.toUpperCase()}`, 'build', digest],
  ['spiffe://acme.example/ns/prod/sa/shop', 'service', 'spiffe://acme.example/ns/prod/sa/shop'],
  ['A'.repeat(43), 'key', 'A'.repeat(43)],
  ['0a1b2c3d', 'key', '0a1b2c3d'],
  [decision, 'decision', decision],
  ['tokens/3/42', 'token', 'tokens/3/42'],
  ['acme.example/tokens/3/42', 'token', 'acme.example/tokens/3/42'],
  ['tokens/3:42', 'token', 'tokens/3/42'],
  ['fd12:3456::1', 'identifier', 'fd12:3456::1'],
] as const) {
  test(`recognises ${text.slice(0, 40)} as a ${kind}`, () => {
    assert.deepEqual(parseSubject(text), { kind, value })
  })
}

test('takes a digest as that of a token where it is told so', () => {
  assert.deepEqual(parseSubject(digest, 'token'), { kind: 'token', value: digest })
})

for (const text of ['', 'shop', 'qip1.AAAA', `${digest}00`, 'spiffe://', 'tokens/0/1', 'a.b.c']) {
  test(`refuses \`${text.slice(0, 20)}\`, and says what would do`, () => {
    assert.throws(
      () => parseSubject(text),
      (error: unknown) =>
        error instanceof CliError && error.code === 'QIP_CLI_USAGE' && (error.next ?? '') !== '',
    )
  })
}
