import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatConfig, listConfig } from './format-config.ts'
import { parseConfig } from './parse-config.ts'

const source = '/etc/qip/quantum-ip.yaml'
const text = `trustDomain: spiffe://acme.example
services:
  - id: spiffe://acme.example/shop
    owner: "yes"
gateway:
  threads: auto
  routes:
    - service: spiffe://acme.example/shop
      upstream: http://127.0.0.1:9000
      match: { methods: [GET, HEAD] }
      exempt: [{ path: /healthz }]
admission: { requireAttestation: [{ service: spiffe://acme.example/dev/*, demand: "off" }] }
`

describe('formatConfig', () => {
  for (const [title, given] of [
    ['an empty file', ''],
    ['a file', text],
  ] as const) {
    it(`parses back to the same configuration, for ${title}`, () => {
      assert.deepEqual(parseConfig(formatConfig(given, source), source), parseConfig(given, source))
    })
  }

  it('says where each value comes from', () => {
    const shown = formatConfig(text, source)
    assert.match(shown, /^trustDomain: spiffe:\/\/acme.example +# line 1$/m)
    assert.match(shown, /^ {2}- id: spiffe:\/\/acme.example\/shop +# line 3$/m)
    assert.match(shown, /^ {4}tier: standard +# default$/m)
    assert.match(shown, /^ {8}path: \/ +# default$/m)
    assert.match(shown, /^ {10}- HEAD +# line 10$/m)
    assert.match(shown, /^ {2}sqlite: .\/data +# default$/m)
  })

  it('says it of every value: each line that is no heading has a note', () => {
    for (const line of formatConfig(text, source).trimEnd().split('\n'))
      assert.match(line, /:$|# (?:default|line \d+)$/)
  })
})

describe('listConfig', () => {
  it('lists every value with its path and line', () => {
    const values = new Map(listConfig(text, source).map(({ path, value, line }) => [path, [value, line]]))
    assert.deepEqual(values.get('gateway.threads'), ['auto', 6])
    assert.deepEqual(values.get('gateway.routes[0].match.methods[1]'), ['HEAD', 10])
    assert.deepEqual(values.get('trust.staleAfter'), ['5m', undefined])
    assert.deepEqual(values.get('policies.files'), [[], undefined])
  })
})
