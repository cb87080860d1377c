import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '@quantum-ip/http'
import { configWarnings } from './config-warnings.ts'

const warningsOf = (text: string): readonly string[] =>
  configWarnings(parseConfig(`trustDomain: spiffe://acme.example\n${text}`, 'quantum-ip.yaml'))

const rule = (builder: string) => `rules: [{ service: "spiffe://acme.example/*", builder: "${builder}" }]`

test('warns of a builder that no rule names', () => {
  const builders = 'builders: [{ id: "https://ci.acme.example/release", keyFiles: [ci.jwk] }]'
  assert.deepEqual(warningsOf(`admission:\n  ${builders}`), [
    'no admission rule names the builder `https://ci.acme.example/release`: what it builds may be no service',
  ])
  assert.deepEqual(warningsOf(`admission:\n  ${builders}\n  ${rule('https://ci.acme.example/*')}`), [])
})

test('warns of a service that no rule is for, where there are rules', () => {
  const services = 'services: [{ id: "spiffe://acme.example/shop" }]'
  const rules = 'admission: { rules: [{ service: "spiffe://acme.example/cart", builder: "https://ci" }] }'
  assert.deepEqual(warningsOf(services), [])
  assert.deepEqual(warningsOf(`${services}\n${rules}`), [
    'no admission rule is for `spiffe://acme.example/shop`: it can be called, and cannot call',
  ])
})
