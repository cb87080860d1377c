import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { hex, isQipError, limits, systemClock, systemRandom } from '@quantum-ip/base'
import { buildProvenance, signStatement } from '@quantum-ip/attestation'
import { formatEnvelope, generateKemKey, generatePrivateKey } from '@quantum-ip/crypto'
import { parseMerkleToken, parseStaple } from '@quantum-ip/token'
import { simulatedClock } from '@quantum-ip/testing'
import { type Authority, createJoinToken } from '../src/index.ts'
import { Issuer } from '../src/issuance/issuer.ts'
import { closeLog } from '../src/issuance/token-log.ts'
import { KeyRing } from '../src/keys/key-ring.ts'
import { KeyLifecycle } from '../src/keys/lifecycle.ts'
import type { SignedHead } from '../src/state/head-rows.ts'
import { FlakySql, writes } from './flaky-sql.ts'
import { checkout, Follower, issue, issuing, openIn, openStoreIn, orderOf, td } from './support.ts'

let folder = ''
const opened: { close(): Promise<unknown> }[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-races-'))
})

afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close()
  await rm(folder, { recursive: true })
})

async function open(options: Parameters<typeof openIn>[1] = {}): Promise<Authority> {
  const authority = await openIn(folder, options)
  opened.push(authority)
  return authority
}

/** An authority whose store fails as told. */
async function openFlaky(): Promise<{ readonly authority: Authority; readonly sql: FlakySql }> {
  const store = await openStoreIn(folder)
  const sql = new FlakySql(store.sql)
  return { authority: await open({ store: { ...store, sql } }), sql }
}

const refusedWith = (code: string) => (error: unknown) => isQipError(error, code)
const indexOf = (token: string | undefined): number => parseMerkleToken(token ?? '').index

/** Every token is in its log at its place, and verifiers hold its head. */
async function checkTokens(authority: Authority, tokens: readonly string[]): Promise<void> {
  await authority.publisher.publish()
  const follower = await Follower.start(authority)
  await follower.settle()
  for (const text of tokens) {
    const { index, digest, keyId } = parseMerkleToken(text)
    const origin = follower.trust.keyFor(td, keyId, 'qip-token')?.log ?? ''
    const [row] = await authority.store.sql.query(
      'SELECT first, data FROM log_entries WHERE origin = ? AND first <= ? ORDER BY first DESC LIMIT 1',
      [origin, index],
    )
    assert.ok(row)
    // Each entry has two bytes of length before it; the genesis entry is alone in its batch.
    const at = (index - (row['first'] as number)) * 40
    assert.equal(hex((row['data'] as Uint8Array).subarray(at + 8, at + 40)), hex(digest))
  }
}

test('tokens that are issued while keys rotate are all good', async () => {
  const authority = await open()
  const follower = await Follower.start(authority)
  const rounds = Array.from({ length: 6 }, async (_, nth) => {
    await new Promise((resolve) => setTimeout(resolve, nth * 7))
    if (nth % 2 === 1) await authority.rotate(issuing)
    return Promise.all([issue(authority, { count: 20 }), issue(authority, { count: 1 })])
  })
  const tokens = (await Promise.all(rounds)).flat().flatMap(({ tokens }) => tokens)
  await authority.publisher.publish()
  await follower.settle()
  assert.ok(tokens.every((token) => follower.holds(token)))
  await checkTokens(authority, tokens)
})

test('a head lasts as long as its last token, also of a batch that forms while the log changes', async () => {
  const store = await openStoreIn(folder)
  opened.push(store)
  const keys = await KeyRing.open({ sql: store.sql, custody: store.custody, clock: systemClock })
  const lifecycle = new KeyLifecycle({
    td,
    store,
    keys,
    clock: systemClock,
    jwtAlgorithm: 'ML-DSA-44',
    hybrid: false,
    isRevoked: () => false,
  })
  await lifecycle.ensure()
  const first = await lifecycle.openIssuingLog()
  await lifecycle.replaceLost()
  const second = await lifecycle.openIssuingLog()
  const heads: SignedHead[] = []
  const issuer = new Issuer(first, {
    clock: systemClock,
    random: systemRandom,
    publisher: { addHeads: async (batch) => void heads.push(...batch.heads) },
    highWater: store.highWater,
    jwtSigner: () => Promise.reject(new Error('not used')),
    admits: () => true,
    refer: () => Promise.reject(new Error('not used')),
    batchIntervalMs: 0,
  })
  await issuer.issue(orderOf({ ttl: 30 }))
  const forming = issuer.issue(orderOf({ ttl: 3_600 }))
  await issuer.use(second)
  const { expiresS } = await forming
  const last = heads.at(-1)?.head
  assert.equal(last?.origin, second.origin)
  assert.ok(last.exp >= expiresS)
  await issuer.close()
})

test('an order that makes no token fails alone', async () => {
  const authority = await open()
  const longest = Array.from({ length: limits.audienceMax }, (_, nth) => `${td}/${'x'.repeat(450)}/${nth}`)
  const [good, bad, also] = await Promise.allSettled([
    issue(authority),
    issue(authority, { audience: longest }),
    issue(authority, { count: 3 }),
  ])
  assert.deepEqual([good.status, bad.status, also.status], ['fulfilled', 'rejected', 'fulfilled'])
  assert.ok(bad.status === 'rejected' && isQipError(bad.reason) && bad.reason.fault === 'caller')
})

test('after a batch of unknown outcome the next one is good, and no JWT names a place that is not its own', async () => {
  const { authority, sql } = await openFlaky()
  const isBatch = writes('log_entries')
  sql.fault = (statements) => {
    if (!isBatch(statements)) return undefined
    // The commit takes place; nobody can be asked about it.
    sql.readsFail = true
    return 'lose'
  }
  await assert.rejects(issue(authority, { count: 4, ttl: 30 }), refusedWith('QIP_LOG_OUTCOME_UNKNOWN'))
  sql.fault = () => undefined
  sql.readsFail = false
  const [jwt, merkle] = await Promise.allSettled([
    issue(authority, { form: 'jwt' }),
    issue(authority, { ttl: 3_600 }),
  ])
  assert.ok(jwt.status === 'rejected' && isQipError(jwt.reason, 'QIP_AUTHORITY_OVERLOADED'))
  assert.ok(merkle.status === 'fulfilled')
  // Behind the genesis entry, the four that nobody was given, and the JWT.
  assert.equal(indexOf(merkle.value.tokens[0]), 6)
  await checkTokens(authority, merkle.value.tokens)
  const [head] = parseStaple(merkle.value.heads[0] ?? '')
  const [row] = await sql.query('SELECT exp FROM heads WHERE start_index = ? AND end_index = ?', [
    head?.start ?? 0,
    head?.end ?? 0,
  ])
  assert.ok((row?.['exp'] as number) >= merkle.value.expiresS)
  assert.equal((await issue(authority, { form: 'jwt' })).tokens.length, 1)
})

for (const fault of ['lose', 'refuse'] as const) {
  test(`heads whose commit fails (${fault}) do not break the chain that verifiers compute`, async () => {
    const { authority, sql } = await openFlaky()
    const follower = await Follower.start(authority)
    const isHead = writes('heads')
    let failures = 0
    sql.fault = (statements) => {
      if (!isHead(statements) || statements.some(({ sql }) => sql.startsWith('DELETE')) || failures++ > 0)
        return undefined
      return fault
    }
    const [first] = await Promise.allSettled([issue(authority)])
    // What was made is handed out; what was not is refused.
    assert.equal(first.status, fault === 'lose' ? 'fulfilled' : 'rejected')
    const { tokens } = await issue(authority)
    await authority.publisher.publish()
    await follower.settle()
    assert.ok(tokens.every((token) => follower.holds(token)))
    await checkTokens(authority, tokens)
    const numbers = await sql.query('SELECT number FROM heads ORDER BY number')
    assert.equal(numbers.length, fault === 'lose' ? 2 : 1)
  })
}

test('a state whose commit fails after it was made is shown, and the next one follows on it', async () => {
  const { authority, sql } = await openFlaky()
  const follower = await Follower.start(authority)
  const { tokens } = await issue(authority)
  const isState = writes('meta')
  let failures = 0
  sql.fault = (statements) => (isState(statements) && failures++ === 0 ? 'lose' : undefined)
  const { heads } = await authority.publisher.publish()
  assert.equal(heads.length, 1)
  await authority.publisher.publish()
  await follower.settle()
  assert.ok(tokens.every((token) => follower.holds(token)))
})

test('heads that are added while states are made are each listed once, in order', async () => {
  const authority = await open({ batchIntervalMs: 0 })
  const listed: string[] = []
  authority.publisher.subscribe(({ heads }) =>
    listed.push(...heads.map(({ start, end }) => `${start}-${end}`)),
  )
  const follower = await Follower.start(authority)
  const tokens: string[] = []
  const drawing = Promise.all(
    [1, 2, 3].map(async () => {
      for (let nth = 0; nth < 15; nth++) tokens.push(...(await issue(authority)).tokens)
    }),
  )
  for (let nth = 0; nth < 25; nth++) await authority.publisher.publish()
  await drawing
  await authority.publisher.publish()
  await follower.settle()
  assert.ok(tokens.every((token) => follower.holds(token)))
  assert.equal(new Set(listed).size, listed.length)
})

test('a key that is revoked while another rotation waits is the one that is compromised', async () => {
  const authority = await open()
  const { kid } = authority.issuer.log
  await Promise.all([
    authority.rotate(issuing),
    authority.revoke({ kind: 'key', value: kid, reason: 'stolen' }),
  ])
  assert.equal(authority.keys.get(kid)?.record.state, 'compromised')
  assert.notEqual(authority.issuer.log.kid, kid)
  assert.equal(authority.keys.get(authority.issuer.log.kid)?.record.state, 'active')
  await checkTokens(authority, (await issue(authority)).tokens)
})

test('nothing is signed any more with a key once its revocation is answered', async () => {
  const authority = await open()
  const { kid } = authority.issuer.log
  const before = issue(authority, { count: 500 })
  await authority.revoke({ kind: 'key', value: kid, reason: 'stolen' })
  assert.notEqual(authority.issuer.log.kid, kid)
  await Promise.allSettled([before])
  const { tokens } = await issue(authority)
  assert.equal(parseMerkleToken(tokens[0] ?? '').keyId, authority.issuer.log.keyId)
})

test('a store that fails in the middle of a revocation leaves no stolen key in use', async () => {
  const { authority, sql } = await openFlaky()
  const { kid } = authority.issuer.log
  const isRecord = writes('revocations')
  sql.fault = (statements) => (isRecord(statements) ? 'refuse' : undefined)
  const order = { kind: 'key' as const, value: kid, reason: 'stolen' }
  await assert.rejects(authority.revoke(order), refusedWith('QIP_AUTHORITY_STORE_UNAVAILABLE'))
  // It is in the file beside the store: a restart would find it, and so does the next look at what was left undone.
  sql.fault = () => undefined
  await authority.maintain()
  assert.equal(authority.revocations.epoch, 1)
  assert.equal(authority.keys.get(kid)?.record.state, 'compromised')
  assert.notEqual(authority.issuer.log.kid, kid)
})

test('a rotation whose bundle cannot be published waits, and goes on once it can', async () => {
  const { authority, sql } = await openFlaky()
  const { kid } = authority.issuer.log
  const isBundle = writes('documents')
  sql.fault = (statements) => (isBundle(statements) ? 'refuse' : undefined)
  await assert.rejects(authority.rotate(issuing), refusedWith('QIP_AUTHORITY_STORE_UNAVAILABLE'))
  assert.equal(authority.issuer.log.kid, kid)
  sql.fault = () => undefined
  await authority.advance()
  assert.notEqual(authority.issuer.log.kid, kid)
  await checkTokens(authority, (await issue(authority)).tokens)
})

test('a rotation whose second bundle cannot be published has gone over to the new key', async () => {
  const { authority, sql } = await openFlaky()
  const { kid } = authority.issuer.log
  const isBundle = writes('documents')
  let bundles = 0
  sql.fault = (statements) => (isBundle(statements) && ++bundles > 1 ? 'refuse' : undefined)
  await assert.rejects(authority.rotate(issuing), refusedWith('QIP_AUTHORITY_STORE_UNAVAILABLE'))
  assert.notEqual(authority.issuer.log.kid, kid)
  sql.fault = () => undefined
  await authority.maintain()
  const listed = authority.publisher.bundle.keys.find(({ key }) => key.kid === kid)
  assert.equal(listed?.state, 'retiring')
  await checkTokens(authority, (await issue(authority)).tokens)
})

test('a rotation that fails before the next log is open is finished later', async () => {
  const { authority, sql } = await openFlaky()
  const { kid } = authority.issuer.log
  const isLog = writes('log_heads')
  sql.fault = (statements) => (isLog(statements) ? 'refuse' : undefined)
  await assert.rejects(authority.rotate(issuing), refusedWith('QIP_AUTHORITY_STORE_UNAVAILABLE'))
  sql.fault = () => undefined
  await authority.maintain()
  assert.notEqual(authority.issuer.log.kid, kid)
  assert.equal(authority.keys.get(authority.issuer.log.kid)?.record.state, 'active')
  await checkTokens(authority, (await issue(authority)).tokens)
})

test('a log that is lost is replaced once, however many batches fail on it', async () => {
  const events: string[] = []
  const authority = await open({ batchIntervalMs: 0, onEvent: (event) => events.push(event) })
  await closeLog(authority.store, authority.issuer.log.origin)
  const outcomes: string[] = []
  for (let nth = 0; nth < 6; nth++) {
    const [outcome] = await Promise.allSettled([issue(authority)])
    outcomes.push(outcome.status === 'rejected' ? (outcome.reason as { code: string }).code : outcome.status)
  }
  await authority.maintain()
  assert.equal(outcomes[0], 'QIP_AUTHORITY_OVERLOADED')
  assert.ok(events.includes('log_lost'))
  const { tokens } = await issue(authority)
  assert.match(authority.issuer.log.origin, /\/tokens\/2$/)
  await checkTokens(authority, tokens)
})

test('what waits when the authority stops is issued, and then nothing more', async () => {
  const authority = await openIn(folder)
  const waiting = Promise.all([issue(authority, { count: 40 }), issue(authority, { patient: true })])
  const closed = authority.close()
  const [{ tokens }, patient] = await waiting
  assert.equal(tokens.length + patient.tokens.length, 41)
  await closed
  assert.throws(() => issue(authority), refusedWith('QIP_AUTHORITY_OVERLOADED'))
  await checkTokens(await open(), [...tokens, ...patient.tokens])
})

test('an order that waits is refused once its service is revoked', async () => {
  const authority = await open()
  const waiting = issue(authority, { patient: true })
  const refused = assert.rejects(waiting, refusedWith('QIP_AUTHORITY_SESSION_REFUSED'))
  await authority.revoke({ kind: 'identity', value: checkout, reason: 'stolen' })
  await refused
})

test('a workload that is revoked while it is admitted has no session', async () => {
  const authority = await open()
  const { store, clock, random } = authority
  const order = { sid: checkout, builds: [], role: 'verifier' as const, ttlS: 60 }
  const { token } = await createJoinToken({ sql: store.sql, clock, random, td }, order)
  const clientKey = generateKemKey('X-Wing').publicKey
  const admitted = authority.admission.admit({ method: 'join-token', evidence: { token }, clientKey })
  const [admission] = await Promise.allSettled([
    admitted,
    authority.revoke({ kind: 'identity', value: checkout, reason: 'stolen' }),
  ])
  await Promise.allSettled([admitted])
  assert.equal(authority.sessions.list().length, 0, admission.status)
})

test('revocations that fail in the store keep their numbers, in the store and in the file beside it', async () => {
  const { authority, sql } = await openFlaky()
  const revoke = (name: string) =>
    authority.revoke({ kind: 'identity', value: `${td}/ns/prod/sa/${name}`, reason: 'test' })
  const isRecord = writes('revocations')
  await revoke('a')
  sql.fault = (statements) => (isRecord(statements) ? 'refuse' : undefined)
  await assert.rejects(revoke('b'), refusedWith('QIP_AUTHORITY_STORE_UNAVAILABLE'))
  sql.fault = (statements) => (isRecord(statements) ? 'lose' : undefined)
  await assert.rejects(revoke('c'), refusedWith('QIP_AUTHORITY_STORE_UNAVAILABLE'))
  sql.fault = () => undefined
  await revoke('d')
  const before = authority.revocations.list()
  assert.deepEqual(
    before.map(({ epoch, value }) => `${epoch} ${value.split('/').at(-1)}`),
    ['1 a', '2 b', '3 d'],
  )
  await authority.close()
  opened.pop()
  const again = await open()
  assert.deepEqual(again.revocations.list(), before)
})

test('a key that was compromised a moment ago does not go on to another state', async () => {
  const { keys, issuer } = await open()
  const { kid } = issuer.log
  const [compromised, retiring] = await Promise.allSettled([
    keys.move([{ kid, to: 'compromised' }]),
    keys.move([{ kid, to: 'retiring' }]),
  ])
  assert.equal(compromised.status, 'fulfilled')
  assert.ok(retiring.status === 'rejected' && isQipError(retiring.reason, 'QIP_AUTHORITY_CONFLICT'))
  assert.equal(keys.get(kid)?.record.state, 'compromised')
})

test('a bundle does not grow with every rotation for ever', async () => {
  const clock = simulatedClock()
  const authority = await open({ clock })
  for (let nth = 0; nth < 4; nth++) {
    await authority.rotate(issuing)
    clock.advance(2 * 3_600_000)
    await authority.maintain()
  }
  clock.advance(25 * 3_600_000)
  await authority.maintain()
  await authority.rotate(issuing)
  const keys = authority.publisher.bundle.keys.filter(({ use }) => use === 'qip-token')
  assert.ok(keys.length <= 4, keys.map((record) => `${record.log} ${record.state}`).join(', '))
})

test('an envelope that is registered twice at once is logged once', async () => {
  const keys = [generatePrivateKey('ML-DSA-65'), generatePrivateKey('Ed25519')]
  const id = 'https://ci.acme.example/release'
  const builder = { id, keys: keys.map(({ publicKey }) => publicKey), slsaLevel: 3 as const }
  const authority = await open({ builders: [builder] })
  const artifacts = [{ name: 'shop', build: new Uint8Array(32).fill(7) }]
  const payload = buildProvenance({ artifacts, builderId: id, buildType: 'https://ci.acme.example/npm' })
  const envelope = formatEnvelope(await signStatement(payload, keys))
  const both = await Promise.all([1, 2, 3].map(() => authority.registry.register(envelope)))
  assert.equal(new Set(both.map(({ registered }) => registered.index)).size, 1)
})
