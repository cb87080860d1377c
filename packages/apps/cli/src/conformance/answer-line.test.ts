import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { answerLine } from './answer-line.ts'
import { operations } from './operations.ts'

const fields =
  'alg seed message context publicKey signature jws jwk jwks leafHash index size proof root size1 size2 root1 root2 start end hash note vkeys envelope threshold evidence builders token rootDocument bundle state heads time audience revocations'.split(
    ' ',
  )

const value = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  },
  {
    weight: 2,
    arbitrary: fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString('base64')),
  },
  fc.nat(20),
  fc.constantFrom<unknown>('ML-DSA-44', 'ML-DSA-65-Ed25519', '', -1, 2 ** 40, null, {}, []),
  fc.jsonValue({ maxDepth: 3 }),
)

test('every answer is a yes or a no with a code of its own, whatever the fields hold', async () => {
  const request = fc.record({
    op: fc.constantFrom(...Object.keys(operations)),
    fields: fc.dictionary(fc.constantFrom(...fields), value, { maxKeys: 12 }),
  })
  const property = fc.asyncProperty(request, async ({ op, fields }) => {
    const answer = await answerLine(JSON.stringify({ id: 1, op, ...fields }))
    assert.equal(answer['id'], 1)
    if (answer['ok'] === true) return
    assert.deepEqual(Object.keys(answer), ['id', 'ok', 'code'])
    assert.match(answer['code'] as string, /^QIP_[A-Z0-9_]+$/)
    assert.notEqual(answer['code'], 'QIP_CLI_DEFECT')
  })
  await fc.assert(property, { numRuns: Number(process.env['QIP_FUZZ_RUNS'] ?? 1_000) })
})

test('never ends on any line of text', async () => {
  const property = fc.asyncProperty(fc.string({ unit: 'binary' }), async (line) => {
    const { ok, code } = await answerLine(line)
    assert.deepEqual([ok, typeof code], [false, 'string'])
  })
  await fc.assert(property, { numRuns: 300 })
})
