import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { buildProvenance, signStatement } from '@quantum-ip/attestation'
import { hex, utf8 } from '@quantum-ip/base'
import { formatEnvelope, generatePrivateKey, sha256 } from '@quantum-ip/crypto'
import { type Authority, type AuthorityServer, createJoinToken, serveAuthority } from '../src/index.ts'
import { admit, type ClientSession, openIn, post, td } from './support.ts'

let folder = ''
let authority: Authority
let served: AuthorityServer
let url = ''
let member: ClientSession

const builder = 'https://ci.acme.example/release'
const builderKeys = [generatePrivateKey('ML-DSA-65'), generatePrivateKey('Ed25519')]

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-reported-'))
  const keys = builderKeys.map(({ publicKey }) => publicKey)
  authority = await openIn(folder, { builders: [{ id: builder, keys, slsaLevel: 3 }] })
  served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
  url = served.bound[0]?.url ?? ''
  const { store, clock, random } = authority
  const { token } = await createJoinToken(
    { sql: store.sql, clock, random, td },
    { sid: `${td}/ns/prod/sa/gateway`, builds: [], role: 'verifier', ttlS: 60 },
  )
  member = await admit(url, token)
})

after(async () => {
  await served.close()
  await authority.close()
  await rm(folder, { recursive: true })
})

async function attest(name: string) {
  const payload = buildProvenance({
    artifacts: [{ name, build: sha256(utf8(name)) }],
    builderId: builder,
    buildType: 'https://ci.acme.example/npm',
  })
  const envelope = formatEnvelope(await signStatement(payload, builderKeys))
  return { ...(await authority.registry.register(envelope)).registered, envelope }
}

const reportOf = (log: string, index: number) => ({
  kind: 'attestation_invalid',
  log,
  index,
  decisions: ['edge-1/1', 'edge-1/2'],
  more: 3,
})

const report = (...reports: object[]) =>
  post(url, '/v1/reports', { body: { point: 'edge-1', reports }, session: member })

test('does nothing about an attestation that holds, or that it never logged', async () => {
  const { origin, index } = await attest('good')
  assert.deepEqual((await report(reportOf(origin, index))).body['outcomes'], ['known'])
  assert.deepEqual((await report(reportOf(origin, 999))).body['outcomes'], ['junk'])
  assert.deepEqual((await report(reportOf('evil.example/attestations/1', index))).body['outcomes'], ['junk'])
  assert.equal(authority.revocations.epoch, 0)
})

test('revokes the build when its own registry proves that the attestation does not hold, and lists who had passed', async () => {
  const { origin, index, build } = await attest('bad')
  const other = await attest('other')
  // What a thief of the store can do, and a broken disk: another envelope stands in the place of the logged one.
  await authority.store.sql.transact([
    { sql: 'UPDATE attestations SET envelope = ? WHERE position = ?', params: [other.envelope, index] },
  ])
  const passed = {
    kind: 'decision',
    id: 'edge-1/1',
    reason: 'ok_shallow',
    attestation: { log: origin, index },
    deferred: true,
  }
  const records = [{ id: 'edge-1/1', timeMs: authority.clock.now(), reason: 'ok_shallow', record: passed }]
  assert.equal((await post(url, '/v1/decisions', { body: { records }, session: member })).status, 200)
  assert.deepEqual((await report(reportOf(origin, index))).body['outcomes'], ['proven'])
  const [event] = await authority.watch.events.list({ kind: 'attestation_invalid', limit: 10 })
  assert.deepEqual(
    [event?.severity, event?.subject, event?.action, event?.proof['passed']],
    ['critical', build, 'done', 5],
  )
  assert.deepEqual(event?.proof['decisions'], ['edge-1/1', 'edge-1/2'])
  const [revoked] = authority.revocations.list()
  assert.deepEqual([revoked?.kind, revoked?.value], ['build', build])
  const on = { attestationLog: origin, attestationIndex: index }
  const { decisions } = await authority.decisions.list({
    ...on,
    reasons: ['ok_shallow', 'ok_retry'],
    limit: 10,
  })
  assert.deepEqual(JSON.parse(JSON.stringify(decisions)), [passed])
  // Told again, it is the same event, and nothing more is done.
  assert.deepEqual((await report(reportOf(origin, index))).body['outcomes'], ['proven'])
  assert.equal(authority.revocations.epoch, 1)
  assert.equal(hex(sha256(utf8('bad'))), build)
})

test('does not revoke while it cannot look at the attestation, and wants to be told again', async () => {
  const { origin, index } = await attest('away')
  authority.watch.reports.recheckBy(() => Promise.resolve({ state: 'unavailable' }))
  // What stands behind it is judged all the same.
  const behind = { kind: 'head_unlogged', head: 'rubbish', decisions: 0 }
  const { status, body } = await report(reportOf(origin, index), behind)
  assert.deepEqual([status, body['outcomes']], [200, ['shed', 'junk']])
  assert.equal(authority.revocations.epoch, 1)
})
