import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkConfig, parseConfig } from './parse-config.ts'

const shop = 'spiffe://acme.example/ns/prod/sa/shop'
const base = `trustDomain: spiffe://acme.example\nservices: [{ id: ${shop} }]\n`
const source = '/srv/quantum-ip.yaml'

test('reads the section of ext_authz', () => {
  const { extAuthz } = parseConfig(
    `${base}extAuthz:
  listen: 0.0.0.0:8470
  peers: [10.0.0.0/24, unix]
  clientCertificates: peer
  messageMax: 1MiB
  drain: 20s
  threads: auto
  routes:
    - { service: ${shop}, quarantine: routed }
    - { service: ${shop}, name: transfer, onlyByName: true }
`,
    source,
  )
  const route = {
    match: { host: undefined, path: '/', methods: undefined },
    service: shop,
    policy: undefined,
    forwardToken: false,
    standalone: false,
    exempt: [],
  }
  assert.deepEqual(extAuthz, {
    name: 'ext-authz',
    listen: { host: '0.0.0.0', port: 8_470 },
    tls: undefined,
    threads: 'auto',
    detail: 'public',
    peers: ['10.0.0.0/24', 'unix'],
    clientCertificates: 'peer',
    messageBytesMax: 1_048_576,
    drainMs: 20_000,
    routes: [
      { ...route, quarantine: 'routed', name: undefined, onlyByName: false },
      { ...route, quarantine: 'limited', name: 'transfer', onlyByName: true },
    ],
  })
})

test('refuses points with the faults of their own', () => {
  const own = `service: ${shop}`
  const cases: [string, RegExp][] = [
    ['extAuthz: { listen: 0.0.0.0:8470 }', /only this machine may ask.*extAuthz\.peers/],
    ['forwardAuth: { listen: 0.0.0.0:8460 }', /only this machine may ask.*forwardAuth\.peers/],
    [`extAuthz: { name: gateway, routes: [{ ${own} }] }`, /same name as `gateway.name`/],
    [`extAuthz: { name: forward-auth, routes: [{ ${own} }] }`, /same name as `forwardAuth.name`/],
    [`forwardAuth: { name: gateway, routes: [{ ${own} }] }`, /same name as `gateway.name`/],
    [`extAuthz: { routes: [{ ${own}, onlyByName: true }] }`, /the route has no `name`/],
    [
      `extAuthz: { routes: [{ ${own}, name: a }, { ${own}, name: a, onlyByName: true }] }`,
      /there is another route `a`/,
    ],
    [`extAuthz: { routes: [{ ${own} }, { ${own}, name: a }] }`, /never reached/],
    ['extAuthz: { clientCertificates: nginx }', /clientCertificates/],
    ['extAuthz: { drain: 1h }', /more than 5m/],
    ['extAuthz: { messageMax: 1KiB }', /less than 64KiB/],
    ['extAuthz: { tls: { certificateFile: a } }', /keyFile/],
    [`extAuthz: { routes: [{ service: ${shop}-2 }] }`, /not listed under/],
    ["extAuthz: { peers: ['::1', '10.0.0.0/33'] }", /extAuthz\.peers\[1\].*not an address/],
    ["extAuthz: { peers: ['::1/129'] }", /extAuthz\.peers\[0\].*not an address/],
    [
      "forwardAuth: { clientCertificates: { from: nginx, peers: ['10.0.0.0/33'] } }",
      /forwardAuth\.clientCertificates\.peers\[0\].*not an address/,
    ],
    [
      "gateway: { clientCertificates: { from: nginx, peers: ['10.0.0.0/33'] } }",
      /gateway\.clientCertificates\.peers\[0\].*not an address/,
    ],
  ]
  for (const [section, expected] of cases) {
    const faults = checkConfig(`${base}${section}\n`, source)
    assert.match(faults.map(({ message, next }) => `${message} ${next ?? ''}`).join('\n'), expected, section)
  }
})
