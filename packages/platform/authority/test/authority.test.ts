import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  base64url,
  hex,
  isQipError,
  parseBase64url,
  parseJson,
  type JsonObject,
  utf8,
} from '@quantum-ip/base'
import { doctorService, formatSessionProof } from '@quantum-ip/client'
import { generateKemKey, kemJwk, openField } from '@quantum-ip/crypto'
import { evaluateSubtreeInclusion, verifySubtreeSignature, subtreeVerifierKey } from '@quantum-ip/log'
import { parseMerkleToken, parseStaple } from '@quantum-ip/token'
import { pinsOf, TrustStore } from '@quantum-ip/trust'
import { type Authority, type AuthorityServer, serveAuthority } from '../src/index.ts'
import { parseTokenOrder } from '../src/issuance/token-order.ts'
import { openIn } from './support.ts'

const td = 'spiffe://acme.example'
const shop = `${td}/ns/prod/sa/shop`
const checkout = `${td}/ns/prod/sa/checkout`

let folder = ''
let authority: Authority
let served: AuthorityServer
let url = ''

const openAuthority = (): Promise<Authority> => openIn(folder)

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-authority-'))
  authority = await openAuthority()
  served = await serveAuthority({
    authority,
    listeners: [{ host: '127.0.0.1', port: 0 }, { path: join(folder, 'qip.sock') }],
  })
  url = served.bound[0]?.url ?? ''
})

after(async () => {
  await served.close()
  await authority.close()
  await rm(folder, { recursive: true })
})

interface TestSession {
  readonly id: string
  readonly key: Uint8Array
}

async function admit(
  sid: string,
  role: 'workload' | 'verifier' = 'workload',
  builds: string[] = [],
): Promise<TestSession> {
  const { createJoinToken } = await import('../src/index.ts')
  const { token } = await createJoinToken(
    { sql: authority.store.sql, clock: authority.clock, random: authority.random, td },
    { sid, builds, role, ttlS: 60 },
  )
  const key = generateKemKey('X-Wing')
  const answer = await post('/v1/workloads', {
    method: 'join-token',
    evidence: { token },
    key: kemJwk(key.publicKey),
  })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  const id = answer.body['session'] as string
  const sealed = parseBase64url(answer.body['sealedKey'] as string)
  return { id, key: await openField({ key, sealed, aad: utf8(id) }) }
}

async function post(
  target: string,
  body: unknown,
  session?: TestSession,
): Promise<{ status: number; body: JsonObject }> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (session !== undefined)
    headers['authorization'] = formatSessionProof(session, Date.now(), { method: 'POST', target })
  const response = await fetch(url + target, { method: 'POST', headers, body: JSON.stringify(body) })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : (parseJson(text) as JsonObject) }
}

test('issues tokens that verify under their signed head and are listed by the next state', async () => {
  const session = await admit(checkout)
  const { status, body } = await post('/v1/tokens', { audience: shop, count: 5 }, session)
  assert.equal(status, 200, JSON.stringify(body))
  const tokens = body['tokens'] as string[]
  const heads = body['heads'] as string[]
  assert.equal(tokens.length, 5)
  const [head] = parseStaple(heads[0] ?? '')
  assert.ok(head)
  for (const text of tokens) {
    const token = parseMerkleToken(text)
    assert.equal(token.claims.sub, checkout)
    const hash = evaluateSubtreeInclusion({ ...token, leafHash: token.leafHash, proof: token.path })
    assert.equal(hex(hash), hex(head.hash))
  }
  const held = authority.keys.list().find(({ record }) => record.log === head.origin)
  assert.ok(held?.record.name)
  const key = subtreeVerifierKey(held.record.name, held.record.key)
  await verifySubtreeSignature(head, key, head.sigs[0]?.signature ?? new Uint8Array())
  const publication = await authority.publisher.publish()
  assert.ok(publication.seq > 0)
  assert.equal(
    (await fetch(`${url}/v1/heads/${key.keyId.toString(16).padStart(8, '0')}/${head.start}-${head.end}`))
      .status,
    200,
  )
})

test('refuses a request without, and one with a wrong session proof', async () => {
  assert.equal((await post('/v1/tokens', { audience: shop })).status, 401)
  assert.equal(
    (
      await post(
        '/v1/tokens',
        { audience: shop },
        { id: base64url(new Uint8Array(16)), key: new Uint8Array(32) },
      )
    ).status,
    401,
  )
})

test('names the nearest member where one is unknown', async () => {
  const session = await admit(checkout)
  const { status, body } = await post('/v1/tokens', { audiance: shop }, session)
  assert.equal(status, 400)
  assert.match(JSON.stringify(body), /audience/)
})

test('a join token admits once', async () => {
  const { createJoinToken } = await import('../src/index.ts')
  const { token } = await createJoinToken(
    { sql: authority.store.sql, clock: authority.clock, random: authority.random, td },
    { sid: checkout, builds: [], role: 'workload', ttlS: 60 },
  )
  const key = kemJwk(generateKemKey('X-Wing').publicKey)
  const both = await Promise.all(
    [1, 2].map(() => post('/v1/workloads', { method: 'join-token', evidence: { token }, key })),
  )
  const [first = 0, second = 0] = both.map(({ status }) => status).toSorted((a, b) => a - b)
  assert.equal(first, 200)
  // Whichever comes second reads that it was used, or finds out when it writes.
  assert.ok(second === 403 || second === 409, `${second}`)
})

test('exchange extends the chain and never outlives the subject token', async () => {
  const caller = await admit(checkout)
  const service = await admit(shop)
  const issued = await post('/v1/tokens', { audience: shop, ttl: 30 }, caller)
  const subject = (issued.body['tokens'] as string[])[0] ?? ''
  const target = '/oauth/token'
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subject,
    subject_token_type: 'urn:quantum-ip:token-type:token',
    audience: `${td}/ns/prod/sa/stock`,
  })
  const headers = { authorization: formatSessionProof(service, Date.now(), { method: 'POST', target }) }
  const response = await fetch(url + target, { method: 'POST', body: form, headers })
  const body = (await response.json()) as { access_token: string }
  assert.equal(response.status, 200, JSON.stringify(body))
  const { claims } = parseMerkleToken(body.access_token)
  assert.equal(claims.sub, shop)
  assert.deepEqual(
    claims.chn?.map(({ sid }) => sid),
    [checkout],
  )
  assert.ok(claims.exp <= parseMerkleToken(subject).claims.exp)
  // The caller itself is not in the audience: it may not exchange its own token.
  const own = await fetch(url + target, {
    method: 'POST',
    body: form,
    headers: { authorization: formatSessionProof(caller, Date.now(), { method: 'POST', target }) },
  })
  assert.equal(own.status, 400)
})

test('describes itself in OpenAPI 3.1', async () => {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
    openapi: string
    paths: Record<string, unknown>
  }
  assert.match(document.openapi, /^3\.1/)
  for (const path of ['/v1/tokens', '/v1/workloads', '/v1/attestations', '/v1/revocations', '/oauth/token']) {
    assert.ok(path in document.paths, path)
  }
})

test('verifies as a service, and says why not', async () => {
  const session = await admit(checkout)
  const member = await admit(`${td}/ns/prod/sa/gateway`, 'verifier')
  const { body } = await post('/v1/tokens', { audience: shop }, session)
  const token = (body['tokens'] as string[])[0] ?? ''
  const staple = (body['heads'] as string[])[0] ?? ''
  const answer = await post(
    '/v1/verify',
    {
      tokens: [
        { token, audience: shop, staple },
        { token, audience: checkout },
      ],
    },
    member,
  )
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  const verdicts = answer.body['verdicts'] as { reason: string; identity: string | null }[]
  assert.deepEqual(
    verdicts.map(({ reason }) => reason),
    ['ok', 'audience_mismatch'],
  )
  assert.deepEqual(
    verdicts.map(({ identity }) => identity),
    [checkout, null],
  )
  assert.equal((await post('/v1/verify', { tokens: [{ token, audience: shop }] }, session)).status, 403)
})

test('gives tokens to workloads alone: an enforcement point has none of the service that it says it is', async () => {
  const asked = { audience: shop }
  for (const sid of [checkout, `${td}/quantum-ip/doctor/x`]) {
    const point = await admit(sid, 'verifier')
    const refused = await post('/v1/tokens', asked, point)
    assert.deepEqual([refused.status, refused.body['code']], [403, 'QIP_AUTHORITY_ADMISSION_REFUSED'])
  }
  const { body } = await post('/v1/tokens', { audience: checkout }, await admit(checkout))
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: (body['tokens'] as string[])[0] as string,
    subject_token_type: 'urn:quantum-ip:token-type:token',
    audience: shop,
  }
  const exchange = (session: TestSession) => postForm('/oauth/token', form, session)
  assert.equal((await exchange(await admit(checkout, 'verifier'))).status, 403)
  assert.equal((await exchange(await admit(checkout))).status, 200)
})

test('gives tokens to the doctor, which only an operator has admitted and which runs no service', async () => {
  const doctor = await admit(doctorService(td), 'verifier')
  assert.equal((await post('/v1/tokens', { audience: shop }, doctor)).status, 200)
})

async function postForm(
  target: string,
  form: Record<string, string>,
  session: TestSession,
): Promise<Response> {
  const authorization = formatSessionProof(session, Date.now(), { method: 'POST', target })
  return fetch(url + target, { method: 'POST', headers: { authorization }, body: new URLSearchParams(form) })
}

test('takes decisions from verifiers alone', async () => {
  const record = { kind: 'decision', id: 'edge-1/1', reason: 'ok' }
  const body = { records: [{ id: 'edge-1/1', timeMs: authority.clock.now(), reason: 'ok', record }] }
  const refused = await post('/v1/decisions', body, await admit(checkout))
  assert.deepEqual([refused.status, refused.body['code']], [403, 'QIP_AUTHORITY_SESSION_REFUSED'])
  const member = await admit(`${td}/ns/prod/sa/gateway`, 'verifier')
  const whole = await post(
    '/v1/decisions',
    { ...body, suppressed: [{ ...suppressed, count: 1e300 }] },
    member,
  )
  assert.equal(whole.status, 400)
  assert.equal(await authority.decisions.find('edge-1/1'), undefined)
  assert.equal((await post('/v1/decisions', { ...body, suppressed: [suppressed] }, member)).status, 200)
  assert.equal(JSON.stringify(await authority.decisions.find('edge-1/1')), JSON.stringify(record))
})

const suppressed = { id: 's', point: 'edge-1', reason: 'ok', count: 1, fromMs: 0, toMs: 1 }

test('a revoked identity loses its sessions and gets no new one', async () => {
  const victim = `${td}/ns/prod/sa/victim`
  const session = await admit(victim)
  const { sessionsEnded, record } = await authority.revoke({
    kind: 'identity',
    value: victim,
    reason: 'test',
  })
  assert.equal(sessionsEnded, 1)
  assert.equal(authority.revocations.epoch, record.epoch)
  assert.equal((await post('/v1/tokens', { audience: shop }, session)).status, 401)
})

test('rotation opens the next log, and the key before goes on counting', async () => {
  const before = authority.issuer.log.origin
  await authority.rotate({ use: 'qip-token', askedBy: 'test' })
  const { log } = authority.issuer
  assert.notEqual(log.origin, before)
  const states = (use: string) =>
    authority.keys.list().flatMap(({ record }) => (record.use === use ? [record.state] : []))
  assert.deepEqual(states('qip-token'), ['retiring', 'active', 'published'])
  assert.deepEqual(states('qip-log'), ['active', 'published'])
  const session = await admit(checkout)
  const { body } = await post('/v1/tokens', { audience: shop }, session)
  assert.equal(parseMerkleToken((body['tokens'] as string[])[0] ?? '').keyId, log.keyId)
})

test('goes on after a restart where it stopped', async () => {
  const origin = authority.issuer.log.origin
  const size = authority.issuer.log.log.head().size
  const seq = authority.publisher.current.seq
  await served.close()
  await authority.close()
  authority = await openAuthority()
  served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
  url = served.bound[0]?.url ?? ''
  assert.equal(authority.issuer.log.origin, origin)
  assert.equal(authority.issuer.log.log.head().size, size)
  assert.ok(authority.publisher.current.seq > seq)
  assert.equal(isQipError(new Error('x')), false)
})

test('hybrid heads are signed by the issuing key and its companion, and both are needed', async () => {
  const place = await mkdtemp(join(tmpdir(), 'qip-hybrid-'))
  const hybrid = await openIn(place, { hybrid: true })
  const store = new TrustStore({ td, pins: pinsOf(hybrid.root) })
  const { publisher, issuer } = hybrid
  await store.applyRoot({ envelope: hybrid.rootText, timeMs: Date.now() })
  await store.applyBundle({ envelope: publisher.bundleText, timeMs: Date.now() })
  const cosigners = store.cosigners(issuer.log.origin)?.map(({ key }) => key.alg)
  assert.deepEqual(cosigners, ['ML-DSA-44', 'Ed25519'])
  const session = {
    id: 'x',
    sid: checkout,
    role: 'workload' as const,
    builds: [],
    method: 'test',
    admittedMs: 0,
    expiresS: 2 ** 32 - 1,
    key: new Uint8Array(32),
  }
  const order = parseTokenOrder({ audience: shop }, { session }, hybrid.issuanceRules)
  const { heads } = await issuer.issue(order)
  assert.equal(parseStaple(heads[0] ?? '')[0]?.sigs.length, 2)
  // Revoking the companion takes the issuing key with it.
  const companion = hybrid.keys.get(issuer.log.kid)?.companion
  assert.ok(companion)
  const before = issuer.log.origin
  await hybrid.revoke({ kind: 'key', value: companion.kid, reason: 'test' })
  assert.notEqual(issuer.log.origin, before)
  await hybrid.close()
  await rm(place, { recursive: true })
})
