import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type BurnWindow,
  burnWindows,
  decideBurn,
  isBurning,
  burnEscalation,
  type SharesByWindow,
} from './burn-alerts.ts'

const share = (ratio: number) => ({ bad: ratio * 100_000, total: 100_000 })

/** The same ratio in every span, some of them apart. */
function shares(ratio: number, apart: Partial<Record<BurnWindow, number>> = {}): SharesByWindow {
  const names = Object.keys(burnWindows) as BurnWindow[]
  return Object.fromEntries(names.map((name) => [name, share(apart[name] ?? ratio)])) as SharesByWindow
}

const cases: readonly (readonly [
  title: string,
  shares: SharesByWindow,
  urgency: 'page' | 'ticket' | undefined,
])[] = [
  ['nothing fails', shares(0), undefined],
  ['the pace is kept', shares(0.01), undefined],
  ['it is a little over the pace for three days', shares(0.011), 'ticket'],
  ['it is three times the pace for a day', shares(0.031), 'ticket'],
  ['it is six times the pace for six hours', shares(0.061), 'page'],
  [
    'it is 15 times the pace for an hour, and was nothing before',
    shares(0, { '1h': 0.15, '30m': 0.15, '5m': 0.15 }),
    'page',
  ],
  ['an hour was bad and the last five minutes are good', shares(0, { '1h': 0.15, '30m': 0.1 }), undefined],
  [
    'the last five minutes are bad and the hour is not',
    shares(0, { '5m': 1, '30m': 0.1, '1h': 0.08 }),
    undefined,
  ],
]
for (const [title, counted, urgency] of cases) {
  test(`decides ${urgency ?? 'nothing'} where ${title}`, () => {
    assert.equal(decideBurn(0.99, counted), urgency)
  })
}

test('escalates at more than twice the pace over six hours', () => {
  assert.equal(isBurning(0.99, shares(0.021), burnEscalation), true)
  assert.equal(isBurning(0.99, shares(0.02), burnEscalation), false)
})
