import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needComponent } from '../../../../scripts/real-components.ts'
import { drills } from '../src/gameday/drills.ts'
import { runDrill } from '../src/gameday/run-drill.ts'

// All of `qip gameday`, and each drill once more without its fault: what passes then detects nothing.

for (const drill of drills) {
  test(`drill ${drill.name}: ${drill.title}; it is detected, and all is well again`, async (t) => {
    const missing = (await Promise.all(drill.needs.map((name) => needComponent(name)))).find(
      ({ skip }) => skip !== false,
    )
    if (missing !== undefined) {
      t.skip(String(missing.skip))
      return
    }
    const { outcome, reason, happened, detectMs, recoverMs } = await runDrill(drill)
    for (const { atMs, kind, text } of happened) t.diagnostic(`${atMs} ms ${kind}: ${text}`)
    assert.equal(outcome, 'passed', reason ?? '')
    t.diagnostic(`detected in ${detectMs ?? '–'} ms, recovered in ${recoverMs ?? '–'} ms`)
    const without = await runDrill(drill, { withoutFault: true })
    assert.equal(without.outcome, 'failed', 'it passes without its fault: it detects nothing')
    assert.match(without.reason ?? '', /^it is not detected: /)
  })
}
