import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { HttpError } from '../http-errors.ts'
import type { Config } from './config.ts'
import { checkConfig, parseConfig, readConfigFile } from './parse-config.ts'

const source = '/etc/qip/quantum-ip.yaml'

const sample = `trustDomain: spiffe://acme.example
store: { sqlite: ./data }            # or postgres: { urlFile: … }
issuance: { tokenTtl: 300s, batchMax: 1024, batchInterval: 20ms }
admission:
  requireAttestation: warn            # off | warn | on, per service ID pattern
  rules:
    - service: spiffe://acme.example/ns/prod/sa/*
      builder: https://ci.acme.example/release
      source: git+https://git.acme.example/shop/*
services:
  - id: spiffe://acme.example/ns/prod/sa/shop
    owner: team-shop
    tier: critical
    stage: enforced                   # observed | onboarding | enforced
gateway:
  listen: 0.0.0.0:8080
  routes:
    - match: { host: shop.acme.example }
      service: spiffe://acme.example/ns/prod/sa/shop
      upstream: http://127.0.0.1:9000
      policy: default
      exempt: [{ path: /healthz }]
`

const defaults: Config = {
  trustDomain: 'spiffe://trust.internal',
  region: 'local',
  store: { kind: 'sqlite', directory: '/etc/qip/data', highWaterDirectory: '/etc/qip/high-water' },
  custody: { directory: '/etc/qip/keys', passphrase: undefined, service: undefined },
  issuance: {
    tokenTtlMs: 300_000,
    oneTimeTtlMs: 60_000,
    batchMax: 1_024,
    batchIntervalMs: 20,
    refreshWaitMs: 1_000,
    tokenCharsMax: 2_048,
    hybrid: false,
    jwt: { enabled: false, algorithm: 'ML-DSA-44' },
  },
  keys: {
    rotation: {
      threshold: 1,
      timeLimitMs: 300_000,
      onTimeLimit: 'hold',
      scheduleMs: {
        'qip-token': 86_400_000,
        'qip-jwt': 30 * 86_400_000,
        'qip-feed': 30 * 86_400_000,
        'qip-log': 365 * 86_400_000,
        'qip-policy': 365 * 86_400_000,
      },
    },
  },
  admission: {
    requireAttestation: [{ service: '**', demand: 'warn' }],
    sessionTtlMs: 3_600_000,
    joinTokenTtlMs: 600_000,
    builders: [],
    rules: [],
  },
  services: [],
  gateway: {
    name: 'gateway',
    listen: { host: '127.0.0.1', port: 8_080 },
    tls: undefined,
    threads: 1,
    detail: 'public',
    probes: true,
    quarantine: { inFlightMax: 10 },
    overload: { delayTargetMs: 25, windowMs: 100 },
    limits: {
      headerBytesMax: 32_768,
      connectionsMax: 10_000,
      inFlightMax: 5_000,
      upstreamTimeoutMs: 60_000,
      connectTimeoutMs: 5_000,
      idleTimeoutMs: 75_000,
      stopDeadlineMs: 30_000,
    },
    clientCertificates: undefined,
    proofAuthorities: undefined,
    retries: { proxies: [], requestIdField: 'x-request-id' },
    routes: [],
    flows: [],
  },
  forwardAuth: {
    name: 'forward-auth',
    listen: { host: '127.0.0.1', port: 8_460 },
    tls: undefined,
    threads: 1,
    detail: 'public',
    peers: undefined,
    clientCertificates: undefined,
    routes: [],
  },
  extAuthz: {
    name: 'ext-authz',
    listen: { host: '127.0.0.1', port: 8_470 },
    tls: undefined,
    threads: 1,
    detail: 'public',
    peers: undefined,
    clientCertificates: undefined,
    messageBytesMax: 4_194_304,
    drainMs: 5_000,
    routes: [],
  },
  sidecar: {
    name: 'sidecar',
    service: undefined,
    upstream: undefined,
    listen: { host: '127.0.0.1', port: 8_480 },
    tls: undefined,
    detail: 'public',
    policy: undefined,
    standalone: false,
    exempt: [],
    outbound: { listen: { host: '127.0.0.1', port: 8_481 }, proofKey: 'ML-DSA-44', destinations: [] },
    workload: {
      socket: '/etc/qip/workload.sock',
      socketMode: 0o600,
      socketGroup: undefined,
      connectionsMax: 256,
      inFlightMax: 256,
    },
    tokens: { warm: [], audiencesMax: 64, drawFirst: 16, drawMax: 1_000, lowWater: 0.5 },
    calls: { heldMax: 10_000, lifetimeMs: 300_000 },
  },
  authority: {
    listen: { host: '127.0.0.1', port: 7_600 },
    tls: undefined,
    socket: '/etc/qip/authority.sock',
    socketMode: 0o600,
    url: undefined,
    caFile: undefined,
    limits: { connectionsMax: 10_000, inFlightMax: 1_000, requestTimeoutMs: 30_000, stopDeadlineMs: 10_000 },
    overload: { delayTargetMs: 100, windowMs: 200 },
    feed: { clientsMax: 1_000, clientBytesMax: 4_194_304, eventsMax: 2_048, keepAliveMs: 15_000 },
  },
  ledger: { publish: [], intervalMs: 10_000, witnesses: [], quorum: 0 },
  mirror: {
    directory: '/etc/qip/mirror',
    listen: { host: '127.0.0.1', port: 7_700 },
    tls: undefined,
    readersFile: undefined,
    checkEveryMs: 21_600_000,
  },
  trust: {
    staleAfterMs: 300_000,
    rootThumbprints: [],
    rootThreshold: 1,
    clockToleranceMs: 30_000,
    stateIntervalMs: 5_000,
    headIntervalMs: 500,
    bundleTtlMs: 604_800_000,
    snapshotDirectory: '/etc/qip/snapshot',
    mirrors: { urls: [], caFile: undefined, tokenFile: undefined },
    witnesses: { vkeys: [], quorum: 0 },
  },
  heads: { unanchored: 'audit', listedWithinMs: 60_000, reportedAfterMs: 5_000, fetchesPerSecond: 50 },
  detection: { onProof: 'revoke', keyRate: { factor: 10, floor: 1_000 } },
  replay: { scope: 'single', bytesMax: 268_435_456, retryWindowMs: 0, redis: undefined },
  attestations: {
    deepCheck: 'always',
    sampling: 0.1,
    perService: [],
    incidentSampling: 1,
    freshForMs: 86_400_000,
    cacheMax: 10_000,
  },
  retention: { issuanceMs: 2_592_000_000, logsMs: 7_776_000_000, eventsMs: 31_536_000_000 },
  verifier: { cacheMax: 100_000, pendingMax: 1_024, signaturesMax: 256, signatureWaitMs: 250 },
  policies: { files: [], authority: [], engines: [] },
  telemetry: {
    metrics: true,
    seriesMax: 2_000,
    listen: undefined,
    otlp: undefined,
    decisions: {
      verifiedShare: 0.01,
      incidentShare: 0.1,
      perReasonPerSecond: 100,
      keepMs: 2_592_000_000,
      folder: '/etc/qip/decisions',
      sizeMax: 1_073_741_824,
      perReasonSizeMax: 134_217_728,
      segmentBytesMax: 8_388_608,
      segmentMs: 3_600_000,
      keepLocalMs: 604_800_000,
      perReason: [],
      redact: [],
      hashKeyFile: undefined,
      seal: undefined,
    },
  },
}

describe('parseConfig', () => {
  it('resolves an empty text to the defaults, in milliseconds, bytes, shares and absolute paths', () => {
    assert.deepEqual(parseConfig('', source), defaults)
    assert.deepEqual(parseConfig('# nothing\n', source), defaults)
    assert.deepEqual(parseConfig('{}', source), defaults)
  })

  it('resolves the documented example', () => {
    const shop = 'spiffe://acme.example/ns/prod/sa/shop'
    assert.deepEqual(parseConfig(sample, source), {
      ...defaults,
      trustDomain: 'spiffe://acme.example',
      admission: {
        ...defaults.admission,
        rules: [
          {
            service: 'spiffe://acme.example/ns/prod/sa/*',
            builder: 'https://ci.acme.example/release',
            source: 'git+https://git.acme.example/shop/*',
            subject: undefined,
            ref: undefined,
            slsaLevel: 0,
          },
        ],
      },
      services: [
        { id: shop, owner: 'team-shop', tier: 'critical', stage: 'enforced', acceptDomainAudience: false },
      ],
      gateway: {
        ...defaults.gateway,
        listen: { host: '0.0.0.0', port: 8_080 },
        routes: [
          {
            match: { host: 'shop.acme.example', path: '/', methods: undefined },
            service: shop,
            upstream: 'http://127.0.0.1:9000',
            upstreamCaFile: undefined,
            quarantineUpstream: undefined,
            policy: 'default',
            forwardToken: false,
            standalone: false,
            exempt: [{ path: '/healthz', methods: undefined }],
          },
        ],
      },
    })
  })

  it('resolves what is not a default', () => {
    const config = parseConfig(
      [
        'store: { postgres: { urlFile: secrets/url } }',
        'admission:',
        '  requireAttestation: [{ service: spiffe://trust.internal/dev/**, demand: "off" }]',
        '  builders: [{ id: https://ci.example/b, keyFiles: [a.jwk, /b.jwk] }]',
        'gateway: { threads: auto, listen: "[::1]:0", tls: { selfSigned: true, keyExchange: required } }',
        'authority: { listen: "0.0.0.0:7600", socketMode: "0660", url: https://qip.example/, tls: { certificateFile: c, keyFile: k } }',
        'policies: { files: [policies/a.yaml] }',
      ].join('\n'),
      source,
      { directory: '/srv' },
    )
    assert.deepEqual(config.store, {
      kind: 'postgres',
      urlFile: '/srv/secrets/url',
      connectionsMax: 10,
      requireSynchronous: false,
      instance: undefined,
      directory: '/srv/data',
      highWaterDirectory: '/srv/high-water',
    })
    // What no row matches gets the strict answer.
    assert.deepEqual(config.admission.requireAttestation, [
      { service: 'spiffe://trust.internal/dev/**', demand: 'off' },
      { service: '**', demand: 'on' },
    ])
    assert.deepEqual(config.admission.builders, [
      { id: 'https://ci.example/b', keyFiles: ['/srv/a.jwk', '/b.jwk'], slsaLevel: 0 },
    ])
    assert.equal(config.gateway.threads, 'auto')
    assert.deepEqual(config.gateway.listen, { host: '::1', port: 0 })
    assert.deepEqual(config.gateway.tls, {
      certificate: 'self-signed',
      keyExchange: 'required',
      client: undefined,
    })
    assert.equal(config.authority.socketMode, 0o660)
    assert.equal(config.authority.url, 'https://qip.example')
    assert.deepEqual(config.authority.tls, {
      certificate: { certificateFile: '/srv/c', keyFile: '/srv/k' },
      keyExchange: 'preferred',
    })
    assert.deepEqual(config.policies.files, ['/srv/policies/a.yaml'])
  })

  it('reads a file, and tells one that is not there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'qip-config-'))
    try {
      const file = join(folder, 'quantum-ip.yaml')
      await writeFile(file, 'region: eu-1')
      const config = await readConfigFile(file)
      assert.equal(config.region, 'eu-1')
      assert.equal(config.custody.directory, join(folder, 'keys'))
      await assert.rejects(readConfigFile(join(folder, 'other.yaml')), { code: 'QIP_HTTP_FILE_UNREADABLE' })
      await assert.rejects(readConfigFile(folder), { code: 'QIP_HTTP_FILE_UNREADABLE' })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

interface Refusal {
  readonly text: string
  readonly line: number
  readonly path: string
  readonly code?: string
  readonly reason?: RegExp
  readonly next?: RegExp
}

const domain = 'trustDomain: spiffe://acme.example\n'
const shop = 'spiffe://acme.example/shop'
const services = `${domain}services: [{ id: ${shop} }]\n`
const unknown = 'QIP_HTTP_CONFIG_UNKNOWN_KEY'

const refusals: Refusal[] = [
  { text: 'gatway: {}', line: 1, path: 'gatway', code: unknown, next: /`gateway`/ },
  { text: 'gateway:\n  lisen: a:1', line: 2, path: 'gateway.lisen', code: unknown, next: /`listen`/ },
  {
    text: 'trust:\n  staleafter: 5m',
    line: 2,
    path: 'trust.staleafter',
    code: unknown,
    next: /`staleAfter`/,
  },
  {
    text: `${services}gateway:\n  routes:\n    - service: ${shop}\n      upstream: http://a\n      polcy: x`,
    line: 7,
    path: 'gateway.routes[0].polcy',
    code: unknown,
    next: /`policy`/,
  },
  {
    text: `gateway:\n  routes:\n    - match: { hosts: [a] }\n      service: ${shop}\n      upstream: http://a`,
    line: 3,
    path: 'gateway.routes[0].match.hosts',
    code: unknown,
    next: /`host`/,
  },
  { text: 'store: { url: postgres://u:p@h/d }', line: 1, path: 'store.url', code: unknown },
  {
    text: 'admission: { rules: [{ servce: x }] }',
    line: 1,
    path: 'admission.rules[0].servce',
    code: unknown,
    next: /`service`/,
  },
  { text: '"my key!": 1', line: 1, path: '(a name of 7 characters)', code: unknown },
  {
    text: 'telemetry: { listen: "127.0.0.1:7600" }',
    line: 1,
    path: 'telemetry.listen',
    reason: /the same address as `authority\.listen`/,
  },
  { text: '- a', line: 1, path: '(the whole text)', reason: /expected a mapping, found a list/ },
  { text: 'gateway:', line: 1, path: 'gateway', reason: /found null/ },
  {
    text: 'gateway: { routes: {} }',
    line: 1,
    path: 'gateway.routes',
    reason: /expected a list, found a mapping/,
  },
  {
    text: 'issuance:\n  batchMax: "10"',
    line: 2,
    path: 'issuance.batchMax',
    reason: /expected an integer, found a string/,
  },
  { text: 'issuance: { batchMax: 65537 }', line: 1, path: 'issuance.batchMax', reason: /<= 65536/ },
  { text: 'issuance: { hybrid: yes }', line: 1, path: 'issuance.hybrid', reason: /true or false/ },
  { text: 'issuance: { tokenTtl: 300 }', line: 1, path: 'issuance.tokenTtl', reason: /a duration such as/ },
  {
    text: 'issuance: { tokenTtl: 5 minutes }',
    line: 1,
    path: 'issuance.tokenTtl',
    reason: /not a duration such as/,
  },
  { text: 'issuance: { tokenTtl: 2h }', line: 1, path: 'issuance.tokenTtl', reason: /more than 1h/ },
  { text: 'issuance: { tokenTtl: 999ms }', line: 1, path: 'issuance.tokenTtl', reason: /less than 1s/ },
  { text: 'issuance: { oneTimeTtl: 121s }', line: 1, path: 'issuance.oneTimeTtl', reason: /more than 120s/ },
  {
    text: 'issuance: { jwt: { algorithm: ML-DSA-45 } }',
    line: 1,
    path: 'issuance.jwt.algorithm',
    next: /`ML-DSA-44`/,
  },
  {
    text: 'issuance: { tokenTtl: 600s }\nkeys: { rotation: { schedule: { qip-token: 10m } } }',
    line: 2,
    path: 'keys.rotation.schedule.qip-token',
  },
  { text: 'replay: { memory: 1PB }', line: 1, path: 'replay.memory', reason: /not a size such as/ },
  { text: 'replay: { memory: 1KB }', line: 1, path: 'replay.memory', reason: /less than 1MiB/ },
  { text: 'replay: { scope: shared }', line: 1, path: 'replay.scope', next: /`replay.redis`/ },
  {
    text: 'replay: { scope: instance, redis: { urlFile: u } }',
    line: 1,
    path: 'replay.scope',
    reason: /shared/,
  },
  { text: 'replay: { redis: {} }', line: 1, path: 'replay.redis', reason: /urlFile/ },
  { text: 'replay: { redis: { urlFile: u, keyFile: k } }', line: 1, path: 'replay.redis', reason: /one of/ },
  {
    text: 'replay: { redis: { urlFile: u, onUnavailable: allow } }',
    line: 1,
    path: 'replay.redis.onUnavailable',
  },
  { text: 'replay: { redis: { urlFile: u, timeout: 0s } }', line: 1, path: 'replay.redis.timeout' },
  {
    text: 'replay: { retryWindow: 2s }',
    line: 1,
    path: 'replay.retryWindow',
    next: /gateway.retries.proxies/,
  },
  {
    text: 'gateway: { retries: { proxies: [edge] }, tls: { selfSigned: true, clientCaFile: c } }',
    line: 1,
    path: 'gateway.retries.proxies',
    next: /`replay.retryWindow`/,
  },
  {
    text: 'replay: { retryWindow: 2s }\ngateway: { retries: { proxies: [edge] } }',
    line: 2,
    path: 'gateway.retries.proxies',
    next: /`clientCaFile`/,
  },
  {
    text: 'gateway: { tls: { selfSigned: true, clientCertificate: required } }',
    line: 1,
    path: 'gateway.tls.clientCertificate',
    next: /`clientCaFile`/,
  },
  {
    text: 'gateway: { clientCertificates: { from: nginx } }',
    line: 1,
    path: 'gateway.clientCertificates',
    next: /`peers`/,
  },
  {
    text: 'forwardAuth: { clientCertificates: { from: client-cert } }',
    line: 1,
    path: 'forwardAuth.clientCertificates',
    next: /`peers`/,
  },
  {
    text: 'gateway: { clientCertificates: { from: xfc, peers: [10.0.0.1] } }',
    line: 1,
    path: 'gateway.clientCertificates.from',
    next: /`xfcc`/,
  },
  { text: 'replay: { scope: instances }', line: 1, path: 'replay.scope', next: /`instance`/ },
  { text: 'heads: { unanchored: audited }', line: 1, path: 'heads.unanchored', next: /`audit`/ },
  {
    text: 'attestations: { sampling: 101% }',
    line: 1,
    path: 'attestations.sampling',
    reason: /more than 100%/,
  },
  {
    text: 'attestations: { sampling: 0.1 }',
    line: 1,
    path: 'attestations.sampling',
    reason: /a share such as/,
  },
  {
    text: 'admission: { requireAttestation: of }',
    line: 1,
    path: 'admission.requireAttestation',
    next: /`off`/,
  },
  {
    text: 'admission: { requireAttestation: 3 }',
    line: 1,
    path: 'admission.requireAttestation',
    reason: /a string or a list/,
  },
  {
    text: 'admission: { requireAttestation: [{ demand: warn }] }',
    line: 1,
    path: 'admission.requireAttestation[0]',
    reason: /lacks `service`/,
  },
  { text: 'trustDomain: acme.example', line: 1, path: 'trustDomain', reason: /a trust domain is/ },
  { text: 'trustDomain: spiffe://acme.example/x', line: 1, path: 'trustDomain' },
  {
    text: `${domain}services:\n  - id: spiffe://acme.example`,
    line: 3,
    path: 'services[0].id',
    reason: /not a service ID/,
  },
  {
    text: `${domain}services:\n  - id: spiffe://other.example/shop`,
    line: 3,
    path: 'services[0].id',
    reason: /not in the trust domain/,
  },
  {
    text: `${domain}services:\n  - id: ${shop}\n  - id: ${shop}`,
    line: 4,
    path: 'services[1].id',
    reason: /twice/,
  },
  { text: `${domain}services: [{ id: ${shop}, tier: hight }]`, line: 2, path: 'services[0].tier' },
  { text: `${domain}services: [{}]`, line: 2, path: 'services[0]', reason: /lacks `id`/ },
  {
    text: `${domain}admission: { rules: [{ service: "**", builder: "*" }] }`,
    line: 2,
    path: 'admission.rules[0].service',
    reason: /does not begin/,
  },
  {
    text: `${domain}admission: { rules: [{ service: spiffe://acme.example.evil/**, builder: "*" }] }`,
    line: 2,
    path: 'admission.rules[0].service',
  },
  {
    text: `${domain}admission: { rules: [{ service: ${shop}, builder: "***" }] }`,
    line: 2,
    path: 'admission.rules[0].builder',
    reason: /not a pattern/,
  },
  {
    text: 'admission: { builders: [{ id: "b", keyFiles: [k] }] }',
    line: 1,
    path: 'admission.builders[0].id',
    reason: /absolute URI/,
  },
  {
    text: 'admission: { builders: [{ id: "a:b", keyFiles: [] }] }',
    line: 1,
    path: 'admission.builders[0].keyFiles',
    reason: /at least 1/,
  },
  {
    text: 'admission:\n  builders:\n    - { id: "a:b", keyFiles: [k] }\n    - { id: "a:b", keyFiles: [l] }',
    line: 4,
    path: 'admission.builders[1].id',
  },
  {
    text: `${domain}gateway: { routes: [{ service: ${shop}, upstream: http://a }] }`,
    line: 2,
    path: 'gateway.routes[0].service',
    reason: /not listed/,
    next: /- id: spiffe:\/\/acme.example\/shop/,
  },
  {
    text: `${services}gateway:\n  routes:\n    - { service: ${shop}, upstream: http://a }\n    - { service: ${shop}, upstream: http://b }`,
    line: 6,
    path: 'gateway.routes[1]',
    reason: /never reached/,
  },
  {
    text: `${services}gateway: { routes: [{ service: ${shop}, upstream: http://a/x }] }`,
    line: 3,
    path: 'gateway.routes[0].upstream',
    reason: /more than scheme/,
  },
  {
    text: `${services}gateway: { routes: [{ service: ${shop}, upstream: http://u:p@a }] }`,
    line: 3,
    path: 'gateway.routes[0].upstream',
    reason: /user name or password/,
  },
  {
    text: `${services}gateway: { routes: [{ service: ${shop}, upstream: ftp://a }] }`,
    line: 3,
    path: 'gateway.routes[0].upstream',
    reason: /not a URL of http/,
  },
  {
    text: `${services}gateway: { routes: [{ service: ${shop}, upstream: http://a, match: { path: /a/../b } }] }`,
    line: 3,
    path: 'gateway.routes[0].match.path',
  },
  {
    text: `${services}gateway: { routes: [{ service: ${shop}, upstream: http://a, match: { host: "A.example" } }] }`,
    line: 3,
    path: 'gateway.routes[0].match.host',
  },
  {
    text: `${services}gateway: { routes: [{ service: ${shop}, upstream: http://a, match: { path: /api }, exempt: [{ path: /apis }] }] }`,
    line: 3,
    path: 'gateway.routes[0].exempt[0].path',
    reason: /not below/,
  },
  {
    text: `${services}gateway: { routes: [{ service: ${shop}, upstream: http://a, match: { methods: [get] } }] }`,
    line: 3,
    path: 'gateway.routes[0].match.methods[0]',
    next: /`GET`/,
  },
  { text: 'gateway: { threads: two }', line: 1, path: 'gateway.threads' },
  { text: 'gateway: { threads: 0 }', line: 1, path: 'gateway.threads', reason: />= 1/ },
  { text: 'gateway: { listen: 8080 }', line: 1, path: 'gateway.listen', reason: /an address such as/ },
  { text: 'gateway: { listen: "0.0.0.0:65536" }', line: 1, path: 'gateway.listen', reason: /at most 65535/ },
  { text: 'gateway: { listen: "1.2.3:80" }', line: 1, path: 'gateway.listen', reason: /not an IPv4 address/ },
  { text: 'gateway: { listen: "[::g]:80" }', line: 1, path: 'gateway.listen' },
  {
    text: 'gateway: { listen: "127.0.0.1:7600" }',
    line: 1,
    path: 'gateway.listen',
    reason: /the same address/,
  },
  { text: 'gateway: { tls: {} }', line: 1, path: 'gateway.tls', reason: /no certificate/ },
  {
    text: 'gateway: { tls: { keyFile: k } }',
    line: 1,
    path: 'gateway.tls',
    reason: /lacks `certificateFile`/,
  },
  {
    text: 'authority: { tls: { certificateFile: c } }',
    line: 1,
    path: 'authority.tls',
    reason: /lacks `keyFile`/,
  },
  {
    text: 'authority: { tls: { selfSigned: true, keyFile: k } }',
    line: 1,
    path: 'authority.tls',
    reason: /both/,
  },
  { text: 'authority: { listen: "0.0.0.0:7600" }', line: 1, path: 'authority.listen', reason: /unencrypted/ },
  { text: 'authority: { socketMode: "0666" }', line: 1, path: 'authority.socketMode', reason: /every user/ },
  { text: 'authority: { socketMode: 384 }', line: 1, path: 'authority.socketMode' },
  {
    text: 'store:\n  sqlite: ./data\n  postgres: { urlFile: u }',
    line: 3,
    path: 'store.postgres',
    reason: /`store.sqlite`, too/,
  },
  { text: 'store: { postgres: {} }', line: 1, path: 'store.postgres', reason: /lacks `urlFile`/ },
  {
    text: 'store: { postgres: { urlFile: "postgres://u:p@h" } }',
    line: 1,
    path: 'store.postgres.urlFile',
    next: /name that file/,
  },
  {
    text: 'store: { highWater: ./data/mark }',
    line: 1,
    path: 'store.highWater',
    reason: /inside of the store/,
  },
  {
    text: 'custody: { passphraseFile: ./p, systemdCredential: qip }',
    line: 1,
    path: 'custody.systemdCredential',
    reason: /passphraseFile/,
  },
  {
    text: 'custody: { awsKms: {} }',
    line: 1,
    path: 'custody.awsKms',
    reason: /lacks `region`/,
  },
  {
    text: 'custody: { googleKms: { keyRing: acme } }',
    line: 1,
    path: 'custody.googleKms.keyRing',
    reason: /keyRings/,
  },
  {
    text: 'custody: { vault: { url: "https://v.example:8200" } }',
    line: 1,
    path: 'custody.vault',
    reason: /lacks `tokenFile`/,
  },
  {
    text: 'custody: { awsKms: { region: eu-central-1 }, vault: { url: "https://v.example", tokenFile: ./t } }',
    line: 1,
    path: 'custody.vault',
    reason: /awsKms/,
  },
  {
    text: 'custody: { systemdCredential: ../qip }',
    line: 1,
    path: 'custody.systemdCredential',
    reason: /name of a credential/,
  },
  {
    text: 'custody: { directory: "-----BEGIN PRIVATE KEY-----" }',
    line: 1,
    path: 'custody.directory',
    reason: /a secret itself/,
  },
  { text: 'region: ${REGION}', line: 1, path: 'region', reason: /not replaced/ },
  {
    text: 'policies: { files: ["a", "${HOME}/b"] }',
    line: 1,
    path: 'policies.files[1]',
    reason: /not replaced/,
  },
  {
    text: 'trust: { rootThreshold: 2 }',
    line: 1,
    path: 'trust.rootThreshold',
    reason: /more than there are thumbprints/,
  },
  {
    text: 'trust: { rootThumbprints: [abc] }',
    line: 1,
    path: 'trust.rootThumbprints[0]',
    reason: /thumbprint/,
  },
  { text: 'trust: { stateInterval: 3m }', line: 1, path: 'trust.stateInterval', reason: /half of/ },
  { text: 'trust: { headInterval: 6s }', line: 1, path: 'trust.headInterval' },
  { text: 'trust: { headInterval: 4s }\nheads: { listedWithin: 5s }', line: 2, path: 'heads.listedWithin' },
  { text: 'heads: { listedWithin: 5s, reportedAfter: 6s }', line: 1, path: 'heads.reportedAfter' },
  { text: 'retention: { issuance: 30d, logs: 29d }', line: 1, path: 'retention.logs' },
]

describe('parseConfig refuses', () => {
  for (const { text, line, path, code = 'QIP_HTTP_CONFIG_INVALID', reason, next } of refusals) {
    it(text.replace(domain, '').replaceAll('\n', ' ⏎ '), () => {
      assert.throws(
        () => parseConfig(text, source),
        (error) => {
          assert.ok(error instanceof HttpError, String(error))
          const at = error.details as { line: number; path: string }
          assert.deepEqual([error.code, at.path, at.line], [code, path, line], error.message)
          assert.match(error.message, new RegExp(`^\`${source}\` line ${line}, column \\d+: `))
          if (reason !== undefined) assert.match(error.message, reason)
          if (next !== undefined) assert.match(error.next ?? '', next)
          return true
        },
      )
    })
  }

  it('what is not strict YAML', () => {
    assert.throws(() => parseConfig('region: a\nregion: b', source), { code: 'QIP_HTTP_YAML_MALFORMED' })
  })

  it('without quoting a value', () => {
    const secret = 'hunter2-7f3a'
    for (const text of [
      `store: { postgres: { urlFile: "postgres://u:${secret}@h" } }`,
      `custody: { directory: "-----BEGIN ${secret}" }`,
      `heads: { unanchored: ${secret} }`,
      `gateway: { listen: ${secret} }`,
      `trustDomain: ${secret}`,
      `region: "${secret}!"`,
      `authority: { url: "https://u:${secret}@h" }`,
      `trust: { rootThumbprints: [${secret}] }`,
      `issuance: { batchMax: ${secret} }`,
      `region: [${secret}`,
      `policies: { files: ["\${${secret}}"] }`,
    ]) {
      const found = (() => {
        try {
          return checkConfig(text, source)
        } catch (error) {
          return [error as HttpError]
        }
      })()
      assert.ok(found.length > 0, text)
      for (const { message, next, details } of found)
        assert.ok(!JSON.stringify([message, next, details]).includes(secret), message)
    }
  })
})

describe('checkConfig', () => {
  it('tells all faults at once', () => {
    const found = checkConfig('gatway: {}\nissuance: { batchMx: 1, tokenTtl: 3 }\n', source)
    assert.deepEqual(
      found.map(({ code, details }) => [code, (details as { path: string }).path]),
      [
        [unknown, 'gatway'],
        [unknown, 'issuance.batchMx'],
        ['QIP_HTTP_CONFIG_INVALID', 'issuance.tokenTtl'],
      ],
    )
  })

  it('finds nothing in the documented example', () => assert.deepEqual(checkConfig(sample, source), []))
})

it('takes what it does not say of a service from the whole, and knows its services', () => {
  const td = 'spiffe://acme.example'
  const services = `trustDomain: ${td}\nservices: [{ id: ${td}/a }, { id: ${td}/b }]\n`
  const text = (rows: string) =>
    `${services}attestations: { deepCheck: sampled, sampling: 5%, perService: [${rows}] }`
  const { attestations } = parseConfig(
    text(`{ service: ${td}/a, deepCheck: deferred }, { service: ${td}/b, sampling: 20% }`),
    'test.yaml',
  )
  assert.deepEqual(attestations.perService, [
    { service: `${td}/a`, deepCheck: 'deferred', sampling: 0.05 },
    { service: `${td}/b`, deepCheck: 'sampled', sampling: 0.2 },
  ])
  for (const [rows, reason] of [
    [`{ service: ${td}/c }`, /not listed under `services`/],
    [`{ service: ${td}/a }, { service: ${td}/a }`, /listed twice/],
  ] as const) {
    assert.throws(() => parseConfig(text(rows), 'test.yaml'), reason)
  }
})
