import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkConfig, parseConfig } from './parse-config.ts'

const shop = 'spiffe://acme.example/ns/prod/sa/shop'
const base = `trustDomain: spiffe://acme.example\nservices: [{ id: ${shop} }]\n`
const text = (forwardAuth: string) => `${base}forwardAuth: { ${forwardAuth} }\n`
const file = '/srv/quantum-ip.yaml'

test('reads forward authentication with every key', () => {
  const { forwardAuth } = parseConfig(
    text(`name: edge, listen: '0.0.0.0:8461', threads: auto, detail: internal, peers: [10.0.0.0/24, '::1', unix],
      clientCertificates: { from: nginx, peers: [10.0.0.1] },
      routes: [{ service: ${shop}, match: { host: shop.acme.example, path: /api, methods: [GET] }, forwardToken: true,
        standalone: true, exempt: [{ path: /api/health }], quarantine: routed, bodyMax: 64KiB }]`),
    file,
  )
  assert.deepEqual(forwardAuth, {
    name: 'edge',
    listen: { host: '0.0.0.0', port: 8_461 },
    tls: undefined,
    threads: 'auto',
    detail: 'internal',
    peers: ['10.0.0.0/24', '::1', 'unix'],
    clientCertificates: { from: 'nginx', peers: ['10.0.0.1'] },
    routes: [
      {
        match: { host: 'shop.acme.example', path: '/api', methods: ['GET'] },
        service: shop,
        policy: undefined,
        forwardToken: true,
        standalone: true,
        exempt: [{ path: '/api/health', methods: undefined }],
        quarantine: 'routed',
        bodyBytesHeld: 65_536,
      },
    ],
  })
})

const route = (more: string) => `routes: [{ service: ${shop}, ${more} }]`

// The key that is wrong, where it is said to be, and how.
const faults: readonly (readonly [text: string, path: string, says: RegExp])[] = [
  ['name: a b', 'forwardAuth.name', /name/],
  ['name: gateway, ' + route('match: { path: / }'), 'forwardAuth.name', /the same name as `gateway.name`/],
  ['listen: 8460', 'forwardAuth.listen', /127\.0\.0\.1:8080/],
  ["listen: '127.0.0.1:99999'", 'forwardAuth.listen', /65535|an address/],
  ["listen: '0.0.0.0:8460'", 'forwardAuth.listen', /name the proxies that may, in `forwardAuth.peers`/],
  ["listen: '127.0.0.1:7600', " + route('match: { path: / }'), 'forwardAuth.listen', /`authority.listen`/],
  ['tls: { certFile: c.pem }', 'forwardAuth.tls.certFile', /config schema/],
  ['threads: 0', 'forwardAuth.threads', />= 1/],
  ['threads: many', 'forwardAuth.threads', /auto/],
  ['detail: all', 'forwardAuth.detail', /internal/],
  ['peers: []', 'forwardAuth.peers', /at least/],
  ['peers: [proxy.acme.example]', 'forwardAuth.peers[0]', /an address, a CIDR block or `unix`/],
  ["peers: ['10.0.0.0/33']", 'forwardAuth.peers[0]', /not an address/],
  ['peers: [1.2.3]', 'forwardAuth.peers[0]', /not an address/],
  ['clientCertificates: { from: xfcc }', 'forwardAuth.clientCertificates', /peers/],
  ['routes: {}', 'forwardAuth.routes', /list/],
  ['routes: [{}]', 'forwardAuth.routes[0]', /service/],
  [route('upstream: http://127.0.0.1:1'), 'forwardAuth.routes[0].upstream', /unknown|no such|config schema/],
  [route('match: { path: a }'), 'forwardAuth.routes[0].match.path', /begins with/],
  [route('match: { host: A.example }'), 'forwardAuth.routes[0].match.host', /lower case/],
  [route('match: { methods: [get] }'), 'forwardAuth.routes[0].match.methods[0]', /GET/],
  [route('forwardToken: yes'), 'forwardAuth.routes[0].forwardToken', /true/],
  [route('standalone: 1'), 'forwardAuth.routes[0].standalone', /true/],
  [route('exempt: [{ path: "/a?b" }]'), 'forwardAuth.routes[0].exempt[0].path', /begins with/],
  [route('quarantine: route'), 'forwardAuth.routes[0].quarantine', /`routed`/],
  [route('bodyMax: 64'), 'forwardAuth.routes[0].bodyMax', /64MiB/],
  [route('bodyMax: 1GiB'), 'forwardAuth.routes[0].bodyMax', /more than 16MiB/],
  [
    `routes: [{ service: ${shop.replace('shop', 'other')} }]`,
    'forwardAuth.routes[0].service',
    /not listed under `services`/,
  ],
  [`routes: [{ service: ${shop} }, { service: ${shop} }]`, 'forwardAuth.routes[1]', /another|same|never/],
  ['peer: [10.0.0.1]', 'forwardAuth.peer', /`peers`/],
]

for (const [bad, path, says] of faults) {
  test(`says at ${path} what is wrong with \`${bad.replaceAll(/\s+/g, ' ').slice(0, 70)}\``, () => {
    const found = checkConfig(text(bad), file)
    const at = found.find((each) => (each.details as { readonly path?: string }).path === path)
    assert.ok(at !== undefined, JSON.stringify(found))
    assert.match(`${at.message} ${at.next ?? ''}`, says)
  })
}
