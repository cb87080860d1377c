import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { checkConfig, type Config, formatConfig, HttpError, parseConfig } from '../src/index.ts'

const source = '/etc/qip/quantum-ip.yaml'
const known = new Set(['QIP_HTTP_YAML_MALFORMED', 'QIP_HTTP_CONFIG_UNKNOWN_KEY', 'QIP_HTTP_CONFIG_INVALID'])
const whole = formatConfig(
  `trustDomain: spiffe://acme.example
services: [{ id: spiffe://acme.example/shop, owner: team-shop }]
admission: { rules: [{ service: spiffe://acme.example/*, builder: "*" }], requireAttestation: [{ service: spiffe://acme.example/a, demand: "on" }] }
gateway: { routes: [{ service: spiffe://acme.example/shop, upstream: http://127.0.0.1:9000, exempt: [{ path: /healthz }] }], tls: { selfSigned: true } }
`,
  source,
).replaceAll(/ +#.*$/gm, '')

const runs = process.env['QIP_TEST_LONG'] === '1' ? 34_000 : 200

/** Valid, or a coded error: nothing else. What is valid means the same after it was shown and read again. */
function outcome(text: string): Config | undefined {
  let config: Config
  try {
    config = parseConfig(text, source)
  } catch (error) {
    assert.ok(error instanceof HttpError && known.has(error.code), String((error as Error).stack))
    assert.ok(error.message.length < 1_000)
    if (error.code !== 'QIP_HTTP_YAML_MALFORMED') assert.ok(checkConfig(text, source).length > 0)
    return undefined
  }
  assert.deepEqual(parseConfig(formatConfig(text, source), source), config)
  return config
}

describe('any configuration', () => {
  it('of the unmutated text is valid', () => assert.ok(outcome(whole)))

  it('of mutated characters is valid or a coded error', () => {
    const edit = fc.tuple(
      fc.nat(whole.length),
      fc.nat(3),
      fc.constantFrom('', ' ', ':', '-', '"', '{', '}', '[', '0', 'a', '\n', '\t', '%', '\0', '${', '…'),
    )
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
        let text = whole
        for (const [at, cut, insert] of edits) text = text.slice(0, at) + insert + text.slice(at + cut)
        outcome(text)
      }),
      { numRuns: runs },
    )
  })

  it('of mutated lines is valid or a coded error', () => {
    const lines = whole.split('\n')
    const edit = fc.tuple(
      fc.nat(lines.length - 1),
      fc.constantFrom('drop', 'twice', 'swap', 'indent', 'dedent', 'null'),
    )
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const now = [...lines]
        for (const [at, what] of edits) {
          const line = now[at] ?? ''
          if (what === 'drop') now.splice(at, 1)
          if (what === 'twice') now.splice(at, 0, line)
          if (what === 'swap') now.splice(at, 2, now[at + 1] ?? '', line)
          if (what === 'indent') now[at] = `  ${line}`
          if (what === 'dedent') now[at] = line.replace(/^ {2}/, '')
          if (what === 'null') now[at] = line.replace(/:.*/, ':')
        }
        outcome(now.join('\n'))
      }),
      { numRuns: runs },
    )
  })

  it('of any values under known keys is valid or a coded error', () => {
    const keys = [...new Set([...whole.matchAll(/([A-Za-z]+):/g)].map(([, key]) => key ?? ''))]
    const words = ['5m', '10%', '1MiB', 'auto', './x', 'on', '127.0.0.1:1', 'http://a']
    const { map } = fc.letrec<{ map: unknown; any: unknown }>((tie) => ({
      map: fc.dictionary(fc.constantFrom(...keys), tie('any'), { maxKeys: 4 }),
      any: fc.oneof(
        { depthSize: 'small' },
        fc.oneof(fc.constantFrom(...words), fc.integer(), fc.boolean(), fc.constant(null)),
        tie('map'),
        fc.array(tie('any'), { maxLength: 3 }),
      ),
    }))
    fc.assert(
      fc.property(map, (tree) => {
        // JSON is YAML.
        outcome(JSON.stringify(tree))
      }),
      { numRuns: runs },
    )
  })
})
