import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkConfig, parseConfig } from './parse-config.ts'

const shop = 'spiffe://acme.example/ns/prod/sa/shop'
const orders = 'spiffe://acme.example/ns/prod/sa/orders'
const file = '/srv/quantum-ip.yaml'
const text = (members: string) =>
  `trustDomain: spiffe://acme.example\nsidecar: { service: ${shop}, ${members} }\n`

test('reads the destinations of a sidecar, each at its host unless it says otherwise', () => {
  const { sidecar } = parseConfig(
    text(`upstream: http://127.0.0.1:9000, outbound: { destinations: [
      { host: orders.internal, service: ${orders} },
      { host: 'pay.internal:8443', service: ${orders}, upstream: 'https://10.0.0.7:8443', oneTime: true, chain: required },
    ] }`),
    file,
  )
  assert.equal(sidecar.upstream, 'http://127.0.0.1:9000')
  assert.deepEqual(sidecar.outbound.destinations, [
    {
      host: 'orders.internal',
      service: orders,
      upstream: 'http://orders.internal',
      upstreamCaFile: undefined,
      oneTime: false,
      proof: false,
      chain: 'kept',
    },
    {
      host: 'pay.internal:8443',
      service: orders,
      upstream: 'https://10.0.0.7:8443',
      upstreamCaFile: undefined,
      oneTime: true,
      proof: false,
      chain: 'required',
    },
  ])
})

test('refuses a sidecar that others could speak through, and what does not fit', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['outbound: { listen: 0.0.0.0:8481 }', /other machines would call as this service/],
    ['workload: { socketMode: "0666" }', /every user of this machine/],
    [
      `outbound: { destinations: [{ host: a, service: ${orders} }, { host: a, service: ${orders} }] }`,
      /listed twice/,
    ],
    [
      'outbound: { destinations: [{ host: a, service: spiffe://other.example/a }] }',
      /not in the trust domain/,
    ],
    ['tokens: { warm: [spiffe://other.example/a] }', /not in the trust domain/],
    ['tokens: { drawFirst: 20, drawMax: 10 }', /drawMax/],
    [
      `upstream: http://127.0.0.1:9000, outbound: { listen: 127.0.0.1:8480, destinations: [{ host: a, service: ${orders} }] }`,
      /the same address/,
    ],
    ['tls: {}', /has no certificate/],
    ['upstreams: http://127.0.0.1:9000', /upstream/],
  ]
  for (const [members, expected] of cases)
    assert.match(JSON.stringify(checkConfig(text(members), file)), expected, members)
})
