import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DrillStep } from '../src/drills/drill.ts'
import { stolenIssuingKey } from '../src/drills/stolen-issuing-key.ts'

test('a stolen issuing key is found out, revoked with proof, and all that it got through is listed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'qip-stolen-'))
  const steps: DrillStep[] = []
  // The verifier alone would take a minute.
  const heads = { reportedAfter: '1s', listedWithin: '60s' }
  try {
    const { ok, passed, foundMs, event } = await stolenIssuingKey(folder, (step) => steps.push(step), {
      heads,
    })
    for (const { atMs, text } of steps) t.diagnostic(`${atMs} ms: ${text}`)
    assert.ok(ok, `not as it must be: ${JSON.stringify(steps.filter((step) => step.ok === false))}`)
    assert.ok(passed > 0 && foundMs !== undefined)
    assert.deepEqual([event?.['severity'], event?.['action']], ['critical', 'done'])
  } finally {
    await rm(folder, { recursive: true })
  }
})
