import assert from 'node:assert/strict'
import { test } from 'node:test'
import { caller, nowMs, sourceOf } from '../test/samples.ts'
import { factNames, factRow, factsOf, factsReference, snapshotFacts } from './index.ts'

test('gives every fact of the schema the type that it promises', () => {
  const sources = [
    sourceOf('ok'),
    sourceOf('token_absent'),
    sourceOf('signature_invalid'),
    sourceOf('trust_stale', { verdict: { authenticated: true, build: undefined } }),
    sourceOf('ok', {
      request: { mtls: 'spiffe://acme.example/a', jwt: { subject: 's', issuer: 'i' } },
      environment: { region: null, tier: null },
    }),
  ]
  for (const source of sources) {
    const facts = factsOf(source)
    for (const name of factNames) {
      const { type, nullable } = factRow(name)
      const value = facts[name]
      if (value === null) assert.ok(nullable, `${name} is null`)
      else if (type === 'list') assert.ok(Array.isArray(value), name)
      else if (type === 'int') assert.ok(Number.isSafeInteger(value), name)
      else assert.equal(typeof value, type === 'bool' ? 'boolean' : type, name)
    }
  }
})

test('reads facts of a verified request', () => {
  const facts = snapshotFacts(
    factsOf(
      sourceOf('ok', {
        verdict: {
          chain: [{ sid: `${caller}-web`, attestationLog: 0, attestationIndex: 0, log: 0, index: 0 }],
        },
        request: { jwt: { subject: 'alice', issuer: 'https://idp' } },
      }),
    ),
  )
  assert.equal(facts.identity, caller)
  assert.equal(facts['identity.trustDomain'], 'spiffe://acme.example')
  assert.deepEqual(facts['identity.chain'], [`${caller}-web`])
  assert.equal(facts.build, 'ab'.repeat(32))
  assert.equal(facts['build.ageS'], 3600)
  assert.equal(facts['build.attestationAgeS'], null)
  assert.equal(facts['request.jwt'], 'alice')
  assert.equal(facts['request.jwt.issuer'], 'https://idp')
})

test('knows nothing of a caller without proof', () => {
  const facts = factsOf(sourceOf('signature_invalid', { verdict: { claimedSubject: caller } }))
  assert.equal(facts.identity, null)
  assert.equal(facts.build, null)
  assert.equal(facts['build.slsaLevel'], 0)
  assert.deepEqual(facts['identity.chain'], [])
  assert.ok(!JSON.stringify(snapshotFacts(facts)).includes(caller))
})

test('counts no age below zero', () => {
  const build = { digest: new Uint8Array(32), evidence: 'declared', builtMs: nowMs + 60_000 } as const
  assert.equal(factsOf(sourceOf('ok', { verdict: { build } }))['build.ageS'], 0)
})

test('has a row on the reference page for each fact', () => {
  const page = factsReference()
  for (const name of factNames) assert.ok(page.includes(`| \`${name}\` |`), name)
  assert.equal(page.trimEnd().split('\n').length, factNames.length + 2)
})

test('ties facts only to facts of the schema', () => {
  for (const name of factNames) {
    for (const other of factRow(name).knownWith ?? []) {
      assert.ok((factNames as readonly string[]).includes(other), `${name}: ${other}`)
    }
  }
})
