import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatVkey, generatePrivateKey, noteKeyTypes } from '@quantum-ip/crypto'
import { HttpError } from '../http-errors.ts'
import { checkConfig, parseConfig } from './parse-config.ts'

const source = '/etc/qip/quantum-ip.yaml'

function vkeyOf(name: string, { publicKey: key } = generatePrivateKey('ML-DSA-44')): string {
  return formatVkey({ name, type: noteKeyTypes.mlDsa44, key })
}

const [one, two, three] = ['a', 'b', 'c'].map((name) => vkeyOf(`witness.example/${name}`))

describe('logs beyond the authority', () => {
  it('resolve where they are published and who cosigns them; more than half of the witnesses, where nothing is said', () => {
    const witnesses = [one, two, three].map(
      (vkey, at) => `{ name: w${at}, vkey: "${vkey}", url: "https://w${at}.example/qip" }`,
    )
    const { ledger } = parseConfig(
      [
        'ledger:',
        '  publish:',
        '    - directory: ./tiles',
        '    - s3: { endpoint: "https://s3.example:9000/", bucket: logs, prefix: acme/v1, credentialsFile: s3.json }',
        '  interval: 1s',
        `  witnesses: [${witnesses.join(', ')}]`,
      ].join('\n'),
      source,
    )
    assert.deepEqual(ledger.publish, [
      { kind: 'directory', directory: '/etc/qip/tiles' },
      {
        kind: 's3',
        endpoint: 'https://s3.example:9000',
        bucket: 'logs',
        prefix: 'acme/v1',
        region: 'us-east-1',
        credentialsFile: '/etc/qip/s3.json',
      },
    ])
    assert.deepEqual([ledger.intervalMs, ledger.quorum], [1_000, 2])
    assert.deepEqual(ledger.witnesses[1], { name: 'w1', vkey: two, url: 'https://w1.example/qip' })
  })

  it('resolve mirrors and the witnesses that evidence must have', () => {
    const { trust, mirror } = parseConfig(
      [
        `trust: { mirrors: ["https://m1.example:7700/", "http://127.0.0.1:7700"], mirrorTokenFile: token, witnesses: { vkeys: ["${one}"], quorum: 1 } }`,
        'mirror: { listen: "0.0.0.0:7700", tls: { selfSigned: true }, readersFile: readers }',
      ].join('\n'),
      source,
    )
    assert.deepEqual(trust.mirrors, {
      urls: ['https://m1.example:7700', 'http://127.0.0.1:7700'],
      caFile: undefined,
      tokenFile: '/etc/qip/token',
    })
    assert.deepEqual(trust.witnesses, { vkeys: [one], quorum: 1 })
    assert.equal(mirror.readersFile, '/etc/qip/readers')
  })

  const refusals: readonly (readonly [text: string, path: string, reason: RegExp])[] = [
    ['ledger: { publish: [{}] }', 'ledger.publish[0]', /one of/],
    ['ledger: { publish: [{ directory: a, s3: { endpoint: "https://s" } }] }', 'ledger.publish[0]', /one of/],
    [
      'ledger: { publish: [{ s3: { endpoint: "https://s", bucket: abc } }] }',
      'ledger.publish[0].s3',
      /credentialsFile/,
    ],
    ['ledger: { publish: [{ s3: { endpoint: "https://s" } }] }', 'ledger.publish[0].s3', /bucket/],
    [
      'ledger: { publish: [{ s3: { endpoint: "https://s/x", bucket: abc, credentialsFile: c } }] }',
      'ledger.publish[0].s3.endpoint',
      /more than scheme/,
    ],
    ['ledger: { quorum: 1 }', 'ledger.quorum', /more than the 0/],
    [
      'ledger: { witnesses: [{ name: w, vkey: abc, url: "https://w" }] }',
      'ledger.witnesses[0].vkey',
      /name\+hash\+key/,
    ],
    [`trust: { witnesses: { vkeys: ["${one}", "${one}"] } }`, 'trust.witnesses.vkeys[1]', /twice/],
    ['trust: { witnesses: { quorum: 2 } }', 'trust.witnesses.quorum', /more than the 0/],
    ['trust: { mirrors: ["ftp://m"] }', 'trust.mirrors[0]', /http/],
    ['mirror: { listen: "0.0.0.0:1", readersFile: r }', 'mirror.listen', /unencrypted/],
    ['mirror: { listen: "0.0.0.0:1", tls: { selfSigned: true } }', 'mirror.listen', /everybody/],
    ['mirror: { tls: {} }', 'mirror.tls', /no certificate/],
  ]
  for (const [text, path, reason] of refusals) {
    it(`refuse ${text.replaceAll(/[+][A-Za-z0-9+/=]{40,}/g, '…')}`, () => {
      const [fault] = checkConfig(text, source)
      assert.ok(fault instanceof HttpError)
      assert.equal((fault.details as { path: string }).path, path, fault.message)
      assert.match(fault.message, reason)
    })
  }

  it('refuse one key under two names', () => {
    const key = generatePrivateKey('ML-DSA-44')
    const rows = ['a', 'b'].map(
      (name) => `{ name: ${name}, vkey: "${vkeyOf(name, key)}", url: "https://${name}" }`,
    )
    const [fault] = checkConfig(`ledger: { witnesses: [${rows.join(', ')}] }`, source)
    assert.match(fault?.message ?? '', /listed twice/)
  })
})
