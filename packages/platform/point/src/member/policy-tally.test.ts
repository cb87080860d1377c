import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision, Facts } from '@quantum-ip/policy'
import { enforcementMetrics, formatMetrics, Metrics } from '@quantum-ip/telemetry'
import { differenceCounter, PolicyTally } from './policy-tally.ts'

const metrics = () =>
  new Metrics({
    metrics: enforcementMetrics,
    sets: { service: [], enforcement_point: ['edge'], region: 'eu', policy: ['shop'] },
  })

function watched(
  identity: string | null,
  wouldBe: Decision['wouldBe'],
  more: Partial<Decision> = {},
): Parameters<PolicyTally['add']>[0] {
  return {
    decision: { rule: 'r', reason: 'rule', wouldBe, ...more } as Decision,
    otherwise: 'allow',
    facts: {
      'verdict.status': identity === null ? 'invalid' : 'verified',
      'verdict.authenticated': identity !== null,
      identity,
    } as Facts,
    decisionId: `${identity} ${wouldBe}`,
  }
}

test('requests, rejections and errors are those of verified callers; differences are of everybody', () => {
  const tally = new PolicyTally('shop', 7, () => undefined)
  assert.equal(tally.news(), undefined)
  tally.add(watched('a', 'allow'))
  tally.add(watched('a', 'reject'))
  tally.add(watched('b', 'reject', { reason: 'policy_error' }))
  tally.add(watched(null, 'reject'))
  const { differences, ...counts } = tally.news() ?? {}
  assert.deepEqual(counts, { name: 'shop', rollout: 7, requests: 3, rejected: 1, errors: 1 })
  assert.deepEqual(
    (differences as unknown as readonly { readonly caller: string; readonly decision: string }[]).map(
      ({ caller, decision }) => `${caller}: ${decision}`,
    ),
    ['a: a reject', 'b: b reject', 'anonymous: null reject'],
  )
  assert.equal(tally.news(), undefined)
  tally.again()
  assert.notEqual(tally.news(), undefined)
})

test('callers beyond the limit are counted together', () => {
  const tally = new PolicyTally('shop', 7, () => undefined)
  for (let at = 0; at < 1_000; at++) tally.add(watched(`caller-${at}`, 'reject'))
  const differences = (tally.news() ?? {})['differences'] as unknown as readonly {
    readonly caller: string
    readonly count: number
  }[]
  assert.equal(differences.length, 201)
  assert.deepEqual(
    [differences.at(-1)?.caller, differences.reduce((sum, { count }) => sum + count, 0)],
    ['other', 1_000],
  )
})

test('differences are counted in the metrics by policy, from and to', () => {
  const counted = metrics()
  const count = differenceCounter(counted, 'shop')
  count('allow', 'reject')
  count('allow', 'reject')
  count('allow', 'quarantine')
  const text = formatMetrics(counted)
  assert.match(text, /policy_differences_total\{region="eu",policy="shop",from="allow",to="reject"\} 2\n/)
  assert.match(text, /policy_differences_total\{region="eu",policy="shop",from="allow",to="quarantine"\} 1\n/)
})
