import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy, parsePolicy } from '@quantum-ip/policy'
import type { Reason, Verdict } from '@quantum-ip/verifier'
import { caller, inputOf, nowMs, service } from '../test/samples.ts'
import { type DecisionRecord, PolicyReplay, decisionRecord } from './index.ts'

function candidate(rules: readonly unknown[], more: Record<string, unknown> = {}) {
  return compilePolicy(
    parsePolicy({
      apiVersion: 'quantum-ip.dev/v1',
      kind: 'Policy',
      metadata: { name: 'candidate', version: 9 },
      spec: { mode: 'monitor', default: { verified: 'allow' }, rules, ...more },
    }),
  )
}

let drawn = 0
function recordOf(
  reason: Reason,
  more: Partial<Verdict> = {},
  replaced: Partial<DecisionRecord> = {},
): DecisionRecord {
  const id = `edge-1-${drawn++}`
  const input = inputOf(reason, { verdict: more })
  return { ...decisionRecord(input, { id, timeMs: nowMs + drawn, point: 'edge-1', share: 1 }), ...replaced }
}

test('counts what a candidate would change, by rule, with callers and the newest examples', () => {
  drawn = 0
  const replay = new PolicyReplay(
    candidate([
      { name: 'declared', when: 'build.binding == null || build.binding == "declared"', action: 'reject' },
    ]),
  )
  const build = { digest: new Uint8Array(32), evidence: 'declared' as const }
  for (let n = 0; n < 14; n++) {
    const identity = `spiffe://acme.example/ns/prod/sa/old${n}`
    replay.add(recordOf('ok', { build, identity }, { share: 0.01 }))
  }
  replay.add(recordOf('ok', {}, { share: 0.01 }))
  replay.add(recordOf('token_absent'))
  const report = replay.report()
  assert.deepEqual([report.records, report.unchanged, report.changed, report.requests], [16, 2, 14, 1_501])
  const [change] = report.changes
  assert.deepEqual(
    [change?.from, change?.to, change?.by, change?.records, change?.requests, change?.callers],
    ['allow', 'reject', 'rule declared', 14, 1_400, 14],
  )
  assert.deepEqual(change?.examples, ['edge-1-13', 'edge-1-12', 'edge-1-11', 'edge-1-10', 'edge-1-9'])
  assert.equal(change.topCallers.length, 10)
  assert.deepEqual(change.topCallers[0], {
    caller: 'spiffe://acme.example/ns/prod/sa/old0',
    service,
    records: 1,
  })
  assert.deepEqual([report.fromMs, report.toMs], [nowMs + 1, nowMs + 16])
})

test('does not judge a record by a fact that it lacks, and says which', () => {
  const replay = new PolicyReplay(
    candidate([
      { name: 'known', when: `identity == "${caller}"`, action: 'quarantine' },
      { name: 'admin', when: 'request.path.startsWith("/admin")', action: 'reject' },
    ]),
  )
  replay.add(recordOf('ok'))
  replay.add(recordOf('ok', { identity: 'spiffe://acme.example/ns/prod/sa/other' }))
  replay.add(recordOf('token_absent'))
  const { records, changed, unchanged, notJudged } = replay.report()
  assert.deepEqual([records, changed, unchanged], [3, 1, 0])
  assert.deepEqual(notJudged, { records: 2, facts: { 'request.path': 2 }, engine: 0 })
})

test('judges no record of a version that recorded no facts', () => {
  const replay = new PolicyReplay(candidate([]))
  const { facts: _, ...old } = recordOf('ok')
  replay.add(old as DecisionRecord)
  assert.deepEqual(replay.report().notJudged, {
    records: 1,
    facts: { 'verdict.alsoUnverifiable': 1 },
    engine: 0,
  })
})

test('says nothing of nothing', () => {
  const { records, changes, fromMs, toMs } = new PolicyReplay(candidate([])).report()
  assert.deepEqual([records, changes, fromMs, toMs], [0, [], null, null])
})
