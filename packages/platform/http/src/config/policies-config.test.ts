import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkConfig, parseConfig } from './parse-config.ts'

const base = 'trustDomain: spiffe://acme.example\n'
const text = (engines: string) => `${base}policies: { engines: [${engines}] }\n`

test('reads engines: a server with its limits, or a module', () => {
  const { policies } = parseConfig(
    text(
      `{ name: central, opa: { facts: [identity], server: { url: 'http://127.0.0.1:8181/', timeout: 20ms, inFlight: 8, cache: 2s, cacheEntries: 100 } } },
       { name: local, opa: { wasm: policies/shop.wasm, path: shop/decision } }`,
    ),
    '/srv/quantum-ip.yaml',
  )
  assert.deepEqual(policies.engines, [
    {
      name: 'central',
      opa: {
        kind: 'server',
        url: 'http://127.0.0.1:8181',
        caFile: undefined,
        path: 'quantum_ip/decision',
        facts: ['identity'],
        timeoutMs: 20,
        inFlightMax: 8,
        cacheMs: 2_000,
        cacheMax: 100,
      },
    },
    {
      name: 'local',
      opa: { kind: 'wasm', file: '/srv/policies/shop.wasm', path: 'shop/decision', facts: undefined },
    },
  ])
})

test('refuses an engine that is both or neither, says what it cannot do, or is there twice', () => {
  const cases: [string, RegExp][] = [
    ['{ name: a }', /lacks `server` or `wasm`/],
    ['{ name: a, opa: {} }', /lacks `server` or `wasm`/],
    ["{ name: a, opa: { server: { url: 'http://127.0.0.1:1' }, wasm: p.wasm } }", /has both/],
    ['{ name: a, opa: { server: { timeout: 5ms } } }', /lacks `url`/],
    ['{ name: a, opa: { wasm: p.wasm } }, { name: a, opa: { wasm: q.wasm } }', /listed twice/],
    ["{ name: a, opa: { wasm: p.wasm, path: '../x' } }", /a path such as/],
    ["{ name: a, opa: { server: { url: 'http://127.0.0.1:1', retries: 3 } } }", /retries/],
    ['{ name: a, opa: { wasm: p.wasm, timeout: 5ms } }', /timeout/],
  ]
  for (const [engines, expected] of cases) {
    const faults = checkConfig(text(engines), '/srv/quantum-ip.yaml')
    assert.match(JSON.stringify(faults), expected, engines)
  }
})
