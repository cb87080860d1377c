import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DrillStep } from '../src/drills/drill.ts'
import { stolenIssuingKey, type StolenKeyOptions } from '../src/drills/stolen-issuing-key.ts'

const cases: readonly (readonly [name: string, options: StolenKeyOptions])[] = [
  ['within the 60 s of the default configuration', {}],
  [
    'by the verifier alone where the authority is not asked before',
    { heads: { reportedAfter: '60s', listedWithin: '60s' }, foundWithinMs: 90_000 },
  ],
]

for (const [name, options] of cases) {
  test(`a stolen issuing key is found out ${name}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'qip-stolen-'))
    const steps: DrillStep[] = []
    try {
      const { ok } = await stolenIssuingKey(folder, (step) => steps.push(step), options)
      for (const { atMs, text } of steps) t.diagnostic(`${atMs} ms: ${text}`)
      assert.ok(ok, `not as it must be: ${JSON.stringify(steps.filter((step) => step.ok === false))}`)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
}
