import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BurnWindow, budgetPeriodMs, burnWindows, type SharesByWindow } from './burn-alerts.ts'
import { levelQuery } from './level-queries.ts'
import { levelStanding } from './level-standing.ts'
import { serviceLevel, serviceLevels } from './service-levels.ts'

function shares(
  of: (window: BurnWindow) => { readonly bad: number; readonly total: number },
): SharesByWindow {
  const names = Object.keys(burnWindows) as BurnWindow[]
  return Object.fromEntries(names.map((name) => [name, of(name)])) as SharesByWindow
}

const hourMs = 3_600_000

test('says when a budget is used up at the rate of the last six hours', () => {
  // 0.3 % of the last 30 days failed, and 2 % of the last six hours: 70 % are left, burnt at twice the pace.
  const counted = shares((name) =>
    name === '30d' ? { bad: 300, total: 100_000 } : { bad: 20, total: 1_000 },
  )
  const { left, burn, lastsMs, good, total, urgency } = levelStanding(serviceLevel('M1'), counted)
  assert.deepEqual([left, burn['6h'], good, total, urgency], [0.7, 2, 0.98, 1_000, 'ticket'])
  assert.equal(lastsMs, (0.7 * budgetPeriodMs) / 2)
})

test('a process that has counted for an hour has used an hour’s worth of the budget', () => {
  const counted = shares(() => ({ bad: 2, total: 100 }))
  const { left } = levelStanding(serviceLevel('M1'), counted, hourMs)
  assert.equal(Math.round(left * 720), 718)
  assert.equal(levelStanding(serviceLevel('M1'), counted).left, -1)
})

test('a target of everything has no budget to spread', () => {
  const { left, lastsMs } = levelStanding(
    serviceLevel('M6'),
    shares(() => ({ bad: 1, total: 100 })),
    hourMs,
  )
  assert.deepEqual([left, lastsMs], [0, 0])
  const fine = levelStanding(
    serviceLevel('M6'),
    shares(() => ({ bad: 0, total: 100 })),
    hourMs,
  )
  assert.deepEqual([fine.left, fine.lastsMs], [1, Number.POSITIVE_INFINITY])
})

test('asks Prometheus for what the process counts', () => {
  const [m1, m2, m6] = [serviceLevel('M1'), serviceLevel('M2'), serviceLevel('M6')]
  assert.match(
    levelQuery(m1, m1.counts.total, '1h'),
    /^sum by \(service\) \(increase\(quantum_ip_verifications_total\{reason=~"ok\|ok_shallow\|.*"\}\[1h\]\)\)$/,
  )
  assert.equal(
    levelQuery(m2, m2.counts.good ?? m2.counts.total, '5m'),
    'sum (increase(quantum_ip_verification_duration_seconds_bucket{le="0.05"}[5m]))',
  )
  assert.equal(
    levelQuery(m6, m6.counts.total, '30d'),
    'sum_over_time((max (quantum_ip_fleet_members))[30d:1m])',
  )
  assert.equal(serviceLevels.length, 8)
})
