import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatMoment, formatSpan, formatTime, parseMoment, parseSince, parseSpan } from './times.ts'

const now = Date.UTC(2026, 10, 22, 10, 0, 0)

for (const [ms, text] of [
  [0, '0 ms'],
  [999, '999 ms'],
  [1_000, '1 s'],
  [61_000, '1 min 1 s'],
  [3_600_000, '1 h'],
  [90_061_000, '1 d 1 h'],
  [-5, '0 ms'],
] as const) {
  test(`shows ${ms} ms as ${text}`, () => assert.equal(formatSpan(ms), text))
}

test('shows a moment with how far it is', () => {
  assert.equal(formatTime(now), '2026-11-22 10:00:00Z')
  assert.equal(
    formatMoment(now - 12_000, now),
    '2026-11-22 10:00:00Z'.replace('10:00:00', '09:59:48') + ', 12 s ago',
  )
  assert.equal(formatMoment(now + 60_000, now), '2026-11-22 10:01:00Z, in 1 min')
  assert.equal(formatTime(Number.NaN), 'an unknown time')
})

test('reads a moment as RFC 3339, as seconds, and now', () => {
  for (const text of ['2026-11-22T10:00:00Z', String(now / 1_000)]) assert.equal(parseMoment(text, 0), now)
  assert.equal(parseMoment('now', now), now)
})

for (const text of ['', 'yesterday', '12', '5 m', '1y']) {
  test(`refuses \`${text}\` as a duration`, () => {
    assert.throws(() => parseSpan(text), { code: 'QIP_CLI_USAGE' })
  })
}

for (const text of ['', 'yesterday', '2026', '22.11.2026', '1800000000000']) {
  test(`refuses \`${text}\` as a moment`, () => {
    assert.throws(() => parseMoment(text, now), { code: 'QIP_CLI_USAGE' })
  })
}

test('reads durations', () => {
  assert.deepEqual(
    ['500ms', '300s', '5m', '1h', '7d'].map(parseSpan),
    [500, 300_000, 300_000, 3_600_000, 604_800_000],
  )
})

test('reads a beginning as how long ago, or as a moment', () => {
  assert.deepEqual(
    ['1h', '500ms', 'now', '2026-11-22T09:00:00Z'].map((text) => now - parseSince(text, now)),
    [3_600_000, 500, 0, 3_600_000],
  )
  assert.throws(() => parseSince('yesterday', now), { code: 'QIP_CLI_USAGE' })
})
