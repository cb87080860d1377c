import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkConfig, parseConfig } from './parse-config.ts'

const database = 'spiffe://acme.example/ns/prod/sa/database'
const base = `trustDomain: spiffe://acme.example\nservices: [{ id: ${database} }]\n`
const least = `name: database, listen: 127.0.0.1:5432, service: ${database}, upstream: 10.0.0.2:5432`
const text = (flows: string) => `${base}gateway: { flows: [${flows}] }\n`

test('reads flows', () => {
  const flows = `{ ${least}, peers: [10.0.0.0/24, '::1'] }`
  assert.deepEqual(parseConfig(text(flows), '/srv/quantum-ip.yaml').gateway.flows, [
    {
      name: 'database',
      listen: { host: '127.0.0.1', port: 5_432 },
      service: database,
      upstream: { host: '10.0.0.2', port: 5_432 },
      quarantineUpstream: undefined,
      policy: undefined,
      peers: ['10.0.0.0/24', '::1'],
      send: 'proxy-v2',
      idleTimeoutMs: 600_000,
    },
  ])
})

test('refuses flows without peers, with a foreign service, a name or an address of another, or no such peer', () => {
  const sound = `{ ${least}, peers: [10.0.0.1] }`
  const cases: [string, RegExp][] = [
    [`{ ${least} }`, /peers/],
    [`{ ${least}, peers: [] }`, /peers/],
    [`{ ${least}, peers: [10.0.0.0/33] }`, /not an address/],
    [`{ ${least}, peers: [1.2.3] }`, /not an address/],
    [`{ ${least}, peers: [::1], send: proxy-v1 }`, /send/],
    [`{ ${least.replace('sa/database', 'sa/other')}, peers: [::1] }`, /not listed under/],
    [`{ ${least.replace('10.0.0.2:5432', '10.0.0.2:0')}, peers: [::1] }`, /at least 1/],
    [`${sound}, ${sound}`, /listed twice/],
    [`${sound}, ${sound}`, /taken by another/],
    [sound.replace('127.0.0.1:5432', '127.0.0.1:7600'), /taken by another/],
  ]
  for (const [flows, expected] of cases) {
    assert.match(JSON.stringify(checkConfig(text(flows), '/srv/quantum-ip.yaml')), expected, flows)
  }
})
