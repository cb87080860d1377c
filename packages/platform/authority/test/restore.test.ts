import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { buildProvenance, parseEvidence, signStatement, verifyEvidence } from '@quantum-ip/attestation'
import { hex, isQipError } from '@quantum-ip/base'
import { formatEnvelope, generateKemKey, generatePrivateKey, sha256 } from '@quantum-ip/crypto'
import { parseMerkleToken } from '@quantum-ip/token'
import { verifierKeyOf } from '@quantum-ip/trust'
import { simulatedClock } from '@quantum-ip/testing'
import { type Authority, type BuilderOrder, serveAuthority } from '../src/index.ts'
import { checkout, copyData, Follower, issue, issuing, openIn, placesIn, td } from './support.ts'

// The database is what backups hold; high-water marks and keys are outside of it, and stay as they are.

let folder = ''
const opened: Authority[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-restore-'))
})

afterEach(async () => {
  for (const authority of opened.splice(0)) await authority.close()
  await rm(folder, { recursive: true })
})

async function open(options: Parameters<typeof openIn>[1] = {}): Promise<Authority> {
  const authority = await openIn(folder, options)
  opened.push(authority)
  return authority
}

async function stop(): Promise<void> {
  for (const authority of opened.splice(0)) await authority.close()
}

/** Copies the data directory of a stopped authority. */
async function backUp(): Promise<string> {
  const copy = join(folder, 'backup')
  await copyData(placesIn(folder).folder, copy)
  return copy
}

async function restore(copy: string): Promise<void> {
  await copyData(copy, placesIn(folder).folder)
}

// By the number of their log: keys of one instant, which a simulated clock makes, are listed by thumbprint.
const tokenKeys = (authority: Authority): readonly string[] =>
  authority.keys
    .list()
    .filter(({ record }) => record.use === 'qip-token')
    .map(({ record }) => `${record.log?.split('/').at(-1)} ${record.state}`)
    .sort((one, other) => one.localeCompare(other))

test('after an older copy was put back, the log is closed, the next one opened, and verifiers go on', async () => {
  let authority = await open()
  const follower = await Follower.start(authority)
  const before = (await issue(authority, { count: 5 })).tokens
  await authority.publisher.publish()
  await stop()
  const copy = await backUp()

  authority = await open()
  follower.follow(authority)
  const lost = (await issue(authority, { count: 3 })).tokens
  const victim = `${td}/ns/prod/sa/victim`
  const { record } = await authority.revoke({ kind: 'identity', value: victim, reason: 'stolen' })
  await authority.publisher.publish()
  const { seq } = authority.publisher.current
  const origin = authority.issuer.log.origin
  await follower.settle()
  assert.ok([...before, ...lost].every((token) => follower.holds(token)))
  await stop()
  await restore(copy)

  authority = await open()
  assert.deepEqual(tokenKeys(authority), ['1 retiring', '2 active', '3 published'])
  assert.notEqual(authority.issuer.log.origin, origin)
  const [closed] = await authority.store.sql.query('SELECT state FROM log_heads WHERE origin = ?', [origin])
  assert.equal(closed?.['state'], 'closed')
  assert.deepEqual(authority.revocations.list(), [record])
  await assert.rejects(issue(authority, {}, victim), (error) =>
    isQipError(error, 'QIP_AUTHORITY_SESSION_REFUSED'),
  )
  assert.ok(authority.publisher.current.seq > seq)

  follower.follow(authority)
  const after = (await issue(authority, { count: 2 })).tokens
  await authority.publisher.publish()
  await follower.settle()
  assert.equal(follower.trust.state?.seq, authority.publisher.current.seq)
  assert.equal(follower.trust.epoch, 1)
  // Also what was issued after the copy still verifies where its head was seen.
  assert.ok([...before, ...lost, ...after].every((token) => follower.holds(token)))
  // One that starts now has what the copy has, and what came since.
  const fresh = await Follower.start(authority)
  await fresh.settle()
  assert.equal(fresh.trust.state?.seq, authority.publisher.current.seq)
})

test('the closed log has no checkpoint any more: it would be older than one that was served', async () => {
  let authority = await open()
  await stop()
  const copy = await backUp()
  authority = await open()
  await issue(authority)
  await stop()
  await restore(copy)
  authority = await open()
  await issue(authority)
  const served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
  const [{ url } = { url: '' }] = served.bound
  const closed = await fetch(`${url}/logs/tokens/1/checkpoint`)
  const next = await fetch(`${url}/logs/tokens/2/checkpoint`)
  const codes = [closed.status, ((await closed.json()) as { code: string }).code, next.status]
  await served.close()
  assert.deepEqual(codes, [404, 'QIP_AUTHORITY_NOT_FOUND', 200])
})

test('heads that no state had listed when the copy was made do not keep the authority from starting', async () => {
  const quiet = { headIntervalMs: 3_600_000 }
  let authority = await open(quiet)
  const follower = await Follower.start(authority)
  await issue(authority)
  await stop()
  const copy = await backUp()
  authority = await open(quiet)
  follower.follow(authority)
  await issue(authority)
  await authority.publisher.publish()
  await stop()
  await restore(copy)
  authority = await open(quiet)
  follower.follow(authority)
  const { tokens } = await issue(authority)
  await authority.publisher.publish()
  await follower.settle()
  assert.ok(tokens.every((token) => follower.holds(token)))
})

test('a key that retired after the copy was made stays retired, and its log closed', async () => {
  const clock = simulatedClock()
  const follow = (authority: Authority): Promise<Follower> => Follower.start(authority, () => clock.now())
  let authority = await open({ clock })
  const follower = await follow(authority)
  await issue(authority)
  await stop()
  const copy = await backUp()
  authority = await open({ clock })
  follower.follow(authority)
  await authority.rotate(issuing)
  clock.advance(2 * 3_600_000)
  await authority.maintain()
  assert.deepEqual(tokenKeys(authority), ['1 retired', '2 active', '3 published'])
  await follower.settle()
  await stop()
  await restore(copy)
  clock.advance(1_000)
  authority = await open({ clock })
  assert.equal(tokenKeys(authority)[0], '1 retired')
  assert.ok(
    !tokenKeys(authority).includes('3 active'),
    'the number of a key that verifiers know is used again',
  )
  follower.follow(authority)
  const { tokens } = await issue(authority)
  await authority.publisher.publish()
  await follower.settle()
  assert.ok(tokens.every((token) => follower.holds(token)))
})

test('the number of a log that was only announced is not used again', async () => {
  let authority = await open()
  const follower = await Follower.start(authority)
  await stop()
  const copy = await backUp()
  authority = await open()
  follower.follow(authority)
  // The bundle names log 3 from now on, though nothing is in it.
  await authority.rotate(issuing)
  await follower.settle()
  await stop()
  await restore(copy)
  authority = await open()
  follower.follow(authority)
  await authority.rotate(issuing)
  const { tokens } = await issue(authority)
  await authority.publisher.publish()
  await follower.settle()
  assert.ok(tokens.every((token) => follower.holds(token)))
})

test('a key that was compromised after the copy was made stays compromised', async () => {
  let authority = await open()
  const follower = await Follower.start(authority)
  await stop()
  const copy = await backUp()
  authority = await open()
  follower.follow(authority)
  const { kid } = authority.issuer.log
  const feed = authority.keys.find('qip-feed', 'active')?.record.key.kid ?? ''
  await authority.revoke({ kind: 'key', value: kid, reason: 'stolen' })
  await authority.revoke({ kind: 'key', value: feed, reason: 'stolen' })
  await follower.settle()
  await stop()
  await restore(copy)
  authority = await open()
  assert.equal(authority.keys.get(kid)?.record.state, 'compromised')
  assert.equal(authority.keys.get(feed)?.record.state, 'compromised')
  assert.notEqual(authority.issuer.log.kid, kid)
  follower.follow(authority)
  const { tokens } = await issue(authority)
  await authority.publisher.publish()
  await follower.settle()
  assert.ok(tokens.every((token) => follower.holds(token)))
})

test('without its high-water marks an authority closes every log and opens the next', async () => {
  let authority = await open()
  const follower = await Follower.start(authority)
  const { tokens } = await issue(authority)
  await authority.publisher.publish()
  await follower.settle()
  await stop()
  await rm(placesIn(folder).highWaterFolder, { recursive: true })
  authority = await open()
  assert.notEqual(authority.issuer.log.origin, `${td.slice('spiffe://'.length)}/tokens/1`)
  follower.follow(authority)
  const after = (await issue(authority)).tokens
  await authority.publisher.publish()
  await follower.settle()
  assert.ok([...tokens, ...after].every((token) => follower.holds(token)))
  assert.deepEqual(
    after.map((token) => parseMerkleToken(token).index),
    [1],
  )
})

test('a second process on a copy of the data cannot sign with the same keys', async () => {
  await open()
  await stop()
  await backUp()
  await open()
  await assert.rejects(
    openIn(folder, { places: { ...placesIn(folder), folder: join(folder, 'backup') } }),
    (error) => isQipError(error, 'QIP_AUTHORITY_DATA_LOCKED'),
  )
})

const builderKeys = [generatePrivateKey('ML-DSA-65'), generatePrivateKey('Ed25519')]
const builder: BuilderOrder = {
  id: 'https://ci.acme.example/release',
  keys: builderKeys.map(({ publicKey }) => publicKey),
  slsaLevel: 3,
}

async function attest(name: string): Promise<string> {
  const payload = buildProvenance({
    artifacts: [{ name, build: sha256(new TextEncoder().encode(name)) }],
    builderId: builder.id,
    buildType: 'https://ci.acme.example/npm',
  })
  return formatEnvelope(await signStatement(payload, builderKeys))
}

test('what was attested before the copy stays provable, and the next attestation log takes the new ones', async () => {
  const builders = [builder]
  let authority = await open({ builders })
  const follower = await Follower.start(authority)
  const kept = (await authority.registry.register(await attest('kept'))).registered
  await stop()
  const copy = await backUp()
  authority = await open({ builders })
  follower.follow(authority)
  const lost = await attest('lost')
  await authority.registry.register(lost)
  await authority.publisher.publish()
  await stop()
  await restore(copy)
  authority = await open({ builders })
  follower.follow(authority)
  // Brought again, it is registered again.
  const again = (await authority.registry.register(lost)).registered
  assert.deepEqual([kept.log, again.log], [1, 2])
  await authority.publisher.publish()
  await follower.settle()
  for (const { build, origin, index } of [kept, again]) {
    const [found] = await authority.registry.list(build)
    assert.ok(found)
    assert.equal(found.origin, origin)
    const logKeys = follower.trust.logKeys(origin, index).flatMap((record) => verifierKeyOf(record) ?? [])
    const builders = [{ id: builder.id, keySets: [builder.keys], slsaLevel: 3 as const }]
    const verified = await verifyEvidence({ evidence: parseEvidence(found.evidence), logKeys, builders })
    assert.equal(hex(verified.entry.build), build)
  }
})

test('sessions of what was revoked after the copy are not open again', async () => {
  let authority = await open()
  const key = generateKemKey('X-Wing').publicKey
  const admitted = {
    sid: checkout,
    role: 'verifier' as const,
    builds: [],
    method: 'test',
    expiresS: 4_000_000_000,
  }
  await authority.sessions.create(admitted, key)
  await stop()
  const copy = await backUp()
  authority = await open()
  assert.equal(authority.sessions.list().length, 1)
  await authority.revoke({ kind: 'identity', value: checkout, reason: 'stolen' })
  await stop()
  await restore(copy)
  authority = await open()
  assert.equal(authority.sessions.list().length, 0)
})
