import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type BurnWindow, burnWindows } from './burn-alerts.ts'
import { CountHistory } from './count-history.ts'

const [minuteMs, hourMs] = [60_000, 3_600_000]
const startMs = 1_800_000_000_000

interface Told {
  readonly atMs: number
  readonly series: number
  readonly bad: number
  readonly total: number
}

/** By the definition: every event of the minutes, or hours, that a span touches. */
function naive(told: readonly Told[], series: number, nowMs: number, name: BurnWindow) {
  const ms = burnWindows[name]
  const unit = ms <= 6 * hourMs ? minuteMs : hourMs
  const first = Math.floor(nowMs / unit) - ms / unit + 1
  const counted = told.filter((each) => each.series === series && Math.floor(each.atMs / unit) >= first)
  return {
    bad: counted.reduce((sum, { bad }) => sum + bad, 0),
    total: counted.reduce((sum, { total }) => sum + total, 0),
  }
}

const steps = fc.array(
  fc.record({
    // Mostly minutes apart, now and then days.
    afterMs: fc.oneof(fc.nat(5 * minuteMs), fc.nat(10 * hourMs), fc.nat(40 * 24 * hourMs)),
    series: fc.nat(2),
    bad: fc.nat(5),
    good: fc.nat(100),
  }),
  { maxLength: 40 },
)

test('counts in every span what a walk over all events counts, also over a restart', () => {
  fc.assert(
    fc.property(steps, fc.nat(40), (told, restartAt) => {
      let nowMs = startMs
      let history = new CountHistory(3, startMs)
      const events: Told[] = []
      for (const [at, { afterMs, series, bad, good }] of told.entries()) {
        if (at === restartAt) {
          const kept = JSON.parse(JSON.stringify(history.keep())) as ReturnType<CountHistory['keep']>
          history = new CountHistory(3, nowMs, kept)
        }
        nowMs += afterMs
        const total = bad + good
        history.add(series, nowMs, { bad, total })
        events.push({ atMs: nowMs, series, bad, total })
        for (const name of Object.keys(burnWindows) as BurnWindow[]) {
          for (const each of [0, 1, 2]) {
            assert.deepEqual(history.shares(each, nowMs)[name], naive(events, each, nowMs, name), name)
          }
        }
      }
      assert.equal(history.sinceMs, startMs)
    }),
    { numRuns: 60 },
  )
})

test('leaves out what is older than what it holds at that place, and series that it does not have', () => {
  const history = new CountHistory(1, startMs)
  history.add(0, startMs, { bad: 1, total: 1 })
  history.add(0, startMs - 361 * minuteMs, { bad: 1, total: 1 })
  history.add(7, startMs, { bad: 1, total: 1 })
  assert.deepEqual(history.shares(0, startMs)['6h'], { bad: 1, total: 1 })
})
