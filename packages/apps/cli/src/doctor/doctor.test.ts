import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { clockChecks } from './clock-checks.ts'
import { fateOf } from './fate.ts'
import { parseWay } from './hops.ts'
import { locate } from './locate.ts'
import { digestOf, type ProbeKind, probeKinds } from './probe-kinds.ts'
import type { ProbeResult } from './send-probe.ts'
import { wordOf } from './word-of.ts'

const sent = 'qip1.AAAABBBBCCCC'
const kind: ProbeKind = {
  name: 'token',
  what: 'a compact token',
  severity: 'fail',
  field: 'Quantum-IP',
  fields: ['Quantum-IP', sent],
  bytes: 30,
}

function resultAt(name: string, parts: Partial<ProbeResult> = {}): ProbeResult {
  const hop = { name, origin: `http://${name}.example` }
  return { hop, kind, status: 200, challenge: true, server: '', via: '', sentMs: 0, ...parts }
}

const saw = (...fields: readonly (readonly [string, string])[]): ProbeResult =>
  resultAt('service', {
    answer: {
      received: {
        fields: fields.map(([name, value]) => ({ name, length: value.length, sha256: digestOf(value) })),
      },
    },
  })

describe('what became of a field', () => {
  for (const [expected, result] of [
    ['whole', saw(['quantum-ip', sent])],
    ['stripped', saw()],
    ['renamed', saw(['Accept-Language', sent])],
    ['renamed', saw(['X-Quantum-IP', sent.slice(0, 9)])],
    ['truncated', saw(['Quantum-IP', sent.slice(0, 9)])],
    ['changed', saw(['Quantum-IP', `${sent}.`])],
    ['doubled', saw(['Quantum-IP', sent], ['Quantum-IP', sent])],
    ['refused', resultAt('service', { status: 400, challenge: false })],
    ['refused', resultAt('service', { status: 431, code: 'fields_too_large' })],
    ['unanswered', resultAt('service', { status: 401, code: 'token_refused' })],
    ['unanswered', resultAt('service', { challenge: false })],
    ['unreachable', resultAt('service', { error: 'ECONNREFUSED' })],
  ] as const) {
    test(`${expected}: ${fateOf(result).says}`, () => assert.equal(fateOf(result).kind, expected))
  }
})

describe('the hop that is to blame', () => {
  const results = ['service', 'lb', 'ingress', 'gateway'].map((name) =>
    resultAt(name, { server: name === 'lb' ? 'nginx/1.26' : '' }),
  )
  const badAt = (...names: readonly string[]) => locate(results, ({ hop }) => names.includes(hop.name))

  test('is the innermost one up to which it goes wrong', () => {
    assert.equal(badAt('service')?.hop, 'service')
    assert.equal(badAt('service', 'lb')?.hop, 'lb')
    assert.equal(badAt('service', 'lb', 'ingress', 'gateway')?.says, 'at `gateway` or behind it')
  })

  test('is none where it goes well from the outside, whatever is seen further in', () => {
    assert.equal(badAt(), undefined)
    assert.equal(badAt('gateway'), undefined)
  })

  test('is named by what its answers say that the next one does not', () => {
    assert.equal(badAt('service', 'lb')?.product, 'nginx')
    assert.equal(badAt('service', 'lb', 'ingress')?.product, undefined)
  })
})

function at(name: string, dateOffsetMs: number): ProbeResult {
  return resultAt(name, { dateOffsetMs })
}

function outcomes(authorityMs: number, ...results: readonly ProbeResult[]): readonly string[] {
  return clockChecks({ authorityMs, results, toleranceMs: 30_000 }).map(
    ({ hop, outcome }) => `${hop} ${outcome}`,
  )
}

describe('clocks', () => {
  test('a place that differs is named, by how much it is off', () => {
    assert.deepEqual(outcomes(-3_000, at('lb', 200), at('gateway', 600_000)), [
      'authority ok',
      'lb ok',
      'gateway fail',
    ])
    assert.deepEqual(outcomes(0, at('gateway', -12_000)), ['authority ok', 'gateway warn'])
  })

  test('where all others agree that it is not, it is the clock of this machine', () => {
    assert.deepEqual(outcomes(601_000, at('lb', 600_000)), ['here warn'])
    assert.deepEqual(outcomes(601_000, at('lb', -600_000)), ['authority fail', 'lb fail'])
  })
})

test('hops are names and addresses; the host and path are those of the service', () => {
  const way = parseWay('https://shop.example/orders?x=1', ['lb=http://10.0.0.4:8080'])
  assert.deepEqual(way, {
    target: '/orders?x=1',
    host: 'shop.example',
    serverName: 'shop.example',
    hops: [
      { name: 'service', origin: 'https://shop.example' },
      { name: 'lb', origin: 'http://10.0.0.4:8080' },
    ],
  })
})

for (const [url, ...hops] of [
  ['shop.example'],
  ['ftp://shop.example/'],
  ['https://user@shop.example/'],
  ['https://shop.example/', 'lb'],
  ['https://shop.example/', 'lb=http://10.0.0.4/path'],
  ['https://shop.example/', 'service=http://10.0.0.4'],
  ['https://shop.example/', 'lb=http://a', 'lb=http://b'],
] as const) {
  test(`refuses ${[url, ...hops].join(' ')}`, () => {
    assert.throws(
      () => parseWay(url, hops),
      (error) => isQipError(error, 'QIP_CLI_USAGE'),
    )
  })
}

test('probes go from small to large, and padded ones are as large as their name says', () => {
  const tokens = {
    service: 'spiffe://a.example/b',
    compact: 'qip1.x',
    staple: 's',
    long: 'qip1.y',
    longInUse: true,
  }
  const kinds = probeKinds(tokens)
  assert.deepEqual(
    kinds.map(({ name }) => name),
    ['token', 'head', 'long-token', 'fields-4k', 'fields-8k', 'fields-16k', 'field-8000'],
  )
  for (const [name, kib] of [
    ['fields-4k', 4],
    ['fields-8k', 8],
    ['fields-16k', 16],
  ] as const) {
    const { fields = [], bytes = 0 } = kinds.find((found) => found.name === name) ?? {}
    assert.ok(Math.abs(bytes - kib * 1_024) < 64, `${name}: ${bytes}`)
    assert.ok(fields.every((text) => text.length <= 2_000))
  }
  assert.equal(kinds.find(({ name }) => name === 'long-token')?.severity, 'fail')
})

test('what a stranger answers cannot steer a terminal', () => {
  assert.equal(wordOf({ point: '\u001B[2Jedge' }, 'point'), '?[2Jedge')
  assert.equal(wordOf({ point: ['x'] }, 'point'), '?')
})
