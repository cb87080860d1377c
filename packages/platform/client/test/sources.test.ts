import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { formatEnvelope } from '@quantum-ip/crypto'
import { attestationSource, headSource, referenceSource, submitAttestation } from '../src/index.ts'
import { TestAuthority } from './support/authority.ts'
import { connect, member } from './support/client.ts'
import { RecordedDomain } from './support/domain.ts'

// The authority of these tests is a small HTTP server over a real trust domain in memory.

const domain = await RecordedDomain.open()
const authority = new TestAuthority(domain)
await authority.listen()
const transport = connect(authority, { attemptsMax: 1 })
const session = member(authority, transport)
test.after(async () => {
  await transport.close()
  await authority.stop()
})

const attested = await domain.registry.attest()
const evidence = (await domain.registry.evidence(attested.index)) ?? ''
const missing = authority.problem(404, 'QIP_AUTHORITY_NOT_FOUND', 'no such thing')
// What does not come from the authority's own look-up says nothing about the thing.
const nobody = [
  { status: 404, type: 'text/html', raw: 'nginx' },
  authority.problem(404, 'QIP_HTTP_ROUTE_UNKNOWN', 'no such route'),
  authority.problem(403, 'QIP_HTTP_ROLE', 'not for you'),
  authority.problem(503, 'QIP_HTTP_OVERLOADED', 'not now'),
  { raw: '{}' },
  { raw: 'nonsense' },
  'drop',
] as const

async function checkNobody(path: string, look: () => Promise<unknown>): Promise<void> {
  for (const fault of nobody) {
    authority.fault(path, fault)
    await assert.rejects(look(), (error) => isQipError(error))
  }
}

test('a head comes from the authority and makes a token good', async () => {
  const token = await domain.issueOne({}, { publish: false })
  const verifier = domain.verifier({ heads: { source: headSource(transport) } })
  assert.equal((await verifier.verify(domain.input(token.text))).reason, 'ok')
  const { origin } = token.head
  const tuple = { td: domain.td, origin, keyId: token.keyId, start: token.start, end: token.end }
  assert.equal(await headSource(transport).fetchHead({ ...tuple, end: token.end + 1 }), undefined)
  assert.equal(await headSource(transport).fetchHead({ ...tuple, keyId: 7 }), undefined)
  assert.ok(authority.received.at(-1)?.path.startsWith('/v1/heads/00000007/'))
  const path = `/v1/heads/${token.keyId.toString(16).padStart(8, '0')}/${token.start}-${token.end}`
  await checkNobody(path, () => headSource(transport).fetchHead(tuple))
})

test('an attestation comes from the registry and stands a deep check', async () => {
  const path = `/v1/attestations/1/${attested.index}`
  authority.routes.set(`GET ${path}`, ({ session }) =>
    session === undefined ? missing : { json: { evidence, builder: domain.registry.builder } },
  )
  const tuple = {
    td: domain.td,
    origin: domain.registry.origin,
    index: attested.index,
    build: attested.build,
  }
  const source = attestationSource(session)
  assert.deepEqual(await source.fetchAttestation(tuple), { evidence, source: 'remote' })
  const token = await domain.issueOne({ bld: attested.build, att: attested.att })
  const verifier = domain.verifier({ attestations: { source, deep: 'always' } })
  const verdict = await verifier.verify(domain.input(token.text))
  assert.deepEqual([verdict.reason, verdict.deep], ['ok', true])
  authority.fault(path, missing)
  assert.equal(await source.fetchAttestation(tuple), undefined)
  assert.equal(await source.fetchAttestation({ ...tuple, origin: 'acme.example/other' }), undefined)
  await checkNobody(path, () => source.fetchAttestation(tuple))
})

test('a reference token is resolved for members', async () => {
  const { text } = await domain.issueOne()
  authority.routes.set('POST /v1/references', ({ body }) =>
    (JSON.parse(body) as { token: string }).token === 'qipr1.known' ? { json: { token: text } } : missing,
  )
  const source = referenceSource(session)
  assert.equal(await source.resolveReference('qipr1.known'), text)
  assert.equal(await source.resolveReference('qipr1.other'), undefined)
  await checkNobody('/v1/references', () => source.resolveReference('qipr1.known'))
})

test('registers an attestation and brings back the evidence file', async () => {
  const envelope = formatEnvelope(attested.envelope)
  const { origin } = domain.registry
  const json = { build: 'ab'.repeat(32), log: 1, index: attested.index, origin, evidence, known: false }
  authority.routes.set('POST /v1/attestations', ({ body }) => {
    assert.deepEqual(JSON.parse(body), { envelope })
    return { json }
  })
  assert.deepEqual(await submitAttestation(transport, envelope), json)
  const bad = [{ index: 77 }, { origin: 'acme.example/attestations/2' }, { evidence: '{}' }, { known: 'yes' }]
  for (const change of bad) {
    authority.fault('/v1/attestations', { json: { ...json, ...change } })
    await assert.rejects(submitAttestation(transport, envelope), (error) =>
      isQipError(error, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'),
    )
  }
  const refused = authority.problem(
    400,
    'QIP_AUTHORITY_ATTESTATION_REFUSED',
    'attestation refused: no builder',
  )
  authority.fault('/v1/attestations', refused)
  await assert.rejects(submitAttestation(transport, envelope), /no builder/)
  await assert.rejects(submitAttestation(transport, 'x'.repeat(1_048_577)), TypeError)
})
