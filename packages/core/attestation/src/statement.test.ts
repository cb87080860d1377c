import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { hex, parseUtf8 } from '@quantum-ip/base'
import { verifyEnvelope } from '@quantum-ip/crypto'
import { build, buildHex, bytesOf, key, otherBuild, provenance, statementJson } from '../test/shop.ts'
import { buildsOf, buildStatement, parseStatement, signStatement, type Statement } from './statement.ts'

const statement: Statement = {
  subjects: [
    { name: 'a.tgz', digest: new Map([['sha256', buildHex]]) },
    { uri: 'pkg:npm/a', digest: new Map([['gitCommit', 'abc']]) },
  ],
  predicateType: 'https://example.com/p/v1',
  predicate: { answer: 42 },
}

const payloadOf = (digest: Map<string, string>) => buildStatement({ ...statement, subjects: [{ digest }] })
const digest = (bytes: Uint8Array) => ({ digest: new Map([['sha256', hex(bytes)]]) })

test('a statement reads back as it was built', () => {
  const { predicate, ...parsed } = parseStatement(buildStatement(statement))
  assert.deepEqual({ ...predicate }, statement.predicate)
  assert.deepEqual(parsed, { subjects: statement.subjects, predicateType: statement.predicateType })
})

test('a statement has the members of in-toto, in their order', () => {
  assert.equal(
    parseUtf8(buildStatement(statement)),
    `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a.tgz","digest":{"sha256":"${buildHex}"}},` +
      '{"uri":"pkg:npm/a","digest":{"gitCommit":"abc"}}],' +
      '"predicateType":"https://example.com/p/v1","predicate":{"answer":42}}',
  )
})

test('the same digests give the same bytes, in whatever order they were filled in', () => {
  const pairs: [string, string][] = [
    ['sha256', buildHex],
    ['sha512', 'ab'],
  ]
  assert.deepEqual(payloadOf(new Map(pairs)), payloadOf(new Map([...pairs].reverse())))
})

test('members that nobody relies on are ignored', () => {
  const json = { ...statementJson(), color: 'red', extra: { deep: [1] } }
  assert.deepEqual(parseStatement(bytesOf(json)).subjects, parseStatement(provenance()).subjects)
})

const subject = (...list: unknown[]) => ({ subject: list })
const malformed: readonly (readonly [title: string, change: object])[] = [
  ['another type', { _type: 'https://in-toto.io/Statement/v0.1' }],
  ['no type', { _type: undefined }],
  ['no subjects', subject()],
  ['subjects that are an object', { subject: {} }],
  ['a subject that is a text', subject('a')],
  ['a subject without digest', subject({ name: 'a' })],
  ['a subject with no digests', subject({ digest: {} })],
  ['a digest that is a number', subject({ digest: { sha256: 1 } })],
  ['an uppercase digest', subject({ digest: { sha256: buildHex.toUpperCase() } })],
  ['a short digest', subject({ digest: { sha256: buildHex.slice(2) } })],
  [
    'too many digests',
    subject({ digest: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`d${n}`, 'x'])) }),
  ],
  ['too many subjects', subject(...Array.from({ length: 1_025 }, () => ({ digest: { x: 'y' } })))],
  ['a name that is a number', subject({ name: 1, digest: { x: 'y' } })],
  ['a name too long', subject({ name: 'x'.repeat(2_049), digest: { x: 'y' } })],
  ['a predicate type that is a number', { predicateType: 1 }],
  ['no predicate', { predicate: undefined }],
  ['a predicate that is a list', { predicate: [] }],
]
for (const [title, change] of malformed) {
  test(`refuses a statement with ${title}`, () => {
    assert.throws(() => parseStatement(bytesOf({ ...statementJson(), ...change })), {
      code: 'QIP_ATTESTATION_STATEMENT_MALFORMED',
    })
  })
}

test('refuses what is no strict JSON: a name twice, bytes that are no text, too much of it', () => {
  const text = parseUtf8(provenance())
  const twice = text.replace('{"_type"', '{"predicateType":"x","_type"')
  for (const payload of [Buffer.from(twice), Uint8Array.of(0x7b, 0xff, 0x7d), new Uint8Array(1_048_577)]) {
    assert.throws(() => parseStatement(payload), { code: 'QIP_ATTESTATION_STATEMENT_MALFORMED' })
  }
})

test('the builds of a statement are its SHA-256 digests, each once', () => {
  const subjects = [digest(build), { digest: new Map([['sha512', 'x']]) }, digest(otherBuild), digest(build)]
  assert.deepEqual(buildsOf({ ...statement, subjects }), [build, otherBuild])
})

test('signs with every signer, and nothing that it would not read', async () => {
  const payload = buildStatement(statement)
  const envelope = await signStatement(payload, [key.build, key.buildClassic])
  const keys = [key.build.publicKey, key.buildClassic.publicKey]
  await verifyEnvelope({ envelope, keys, threshold: 2, payloadType: 'application/vnd.in-toto+json' })
  await assert.rejects(signStatement(bytesOf({}), [key.build]), {
    code: 'QIP_ATTESTATION_STATEMENT_MALFORMED',
  })
})
