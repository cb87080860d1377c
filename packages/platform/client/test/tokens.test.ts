import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { parseMerkleToken, parseStaple } from '@quantum-ip/token'
import { exchangeToken, type IssuedToken, requestTokens, tokenType } from '../src/index.ts'
import { TestAuthority } from './support/authority.ts'
import { connect, member } from './support/client.ts'
import { RecordedDomain } from './support/domain.ts'

// The authority of these tests is a small HTTP server over a real trust domain in memory.

const domain = await RecordedDomain.open()
const authority = new TestAuthority(domain)
await authority.listen()
const transport = connect(authority)
const session = member(authority, transport, 'workload')
test.after(async () => {
  await transport.close()
  await authority.stop()
})

/** Verified with nothing but the staple: what a point sees before the state lists the head. */
async function verdictOf(issued: IssuedToken | undefined) {
  const { staple, token = '' } = issued ?? {}
  return domain.verifier({ heads: {} }).verify(domain.input(token, { staple, acceptStandalone: true }))
}

test('orders tokens that verify with their staples', async () => {
  const tokens = await requestTokens(session, { audience: domain.shop, count: 40 })
  assert.equal(new Set(tokens.map(({ token }) => token)).size, 40)
  for (const issued of tokens) {
    const { start, end } = parseMerkleToken(issued.token)
    const [head] = parseStaple(issued.staple ?? '')
    assert.deepEqual([head?.start, head?.end], [start, end])
    assert.equal(issued.expiresS, domain.nowS() + 300)
  }
  assert.equal((await verdictOf(tokens[7])).reason, 'ok')
})

test('gives each token of an order the staple of its own subtree', async () => {
  // More than one subtree covers 1,000 tokens that begin in the middle of one.
  const tokens = await requestTokens(session, { audience: domain.shop, count: 1_000, oneTime: true })
  const staples = new Set(tokens.map(({ staple }) => staple))
  assert.equal(staples.size, 2)
  for (const issued of [tokens[0], tokens[999]]) assert.equal((await verdictOf(issued)).reason, 'ok')
  const half = Math.min(...tokens.map(({ token }) => parseMerkleToken(token).start))
  assert.ok(
    tokens.every(
      ({ token, staple }) => parseStaple(staple ?? '')[0]?.start === parseMerkleToken(token).start,
    ),
  )
  assert.ok(tokens.some(({ token }) => parseMerkleToken(token).start !== half))
})

test('tells heads over the same positions of two logs apart by their keys', async () => {
  const other = await RecordedDomain.open({ seed: 'another log' })
  const [foreign] = await other.issue([{}])
  const [own] = await (await RecordedDomain.open()).issue([{}])
  const json = (heads: (string | undefined)[]) => ({
    tokens: [own?.text ?? ''],
    heads: heads.map((head) => head ?? ''),
    expires: 1,
  })
  assert.deepEqual([foreign?.start, foreign?.end], [own?.start, own?.end])
  authority.fault(
    '/v1/tokens',
    { json: json([foreign?.staple, own?.staple]) },
    { json: json([foreign?.staple]) },
  )
  const [first] = await requestTokens(session, { audience: domain.shop })
  assert.equal(first?.staple, own?.staple)
  const [second] = await requestTokens(session, { audience: domain.shop })
  assert.equal(second?.staple, undefined)
})

test('sends what was ordered, in the authority’s words', async () => {
  await requestTokens(session, {
    audience: [domain.shop],
    count: 2,
    ttlS: 60,
    oneTime: true,
    requestBinding: new Uint8Array(32),
    patient: true,
    build: 'ab'.repeat(32),
    confirmation: { jkt: new Uint8Array(32) },
  })
  assert.deepEqual(JSON.parse(authority.received.at(-1)?.body ?? ''), {
    audience: [domain.shop],
    count: 2,
    ttl: 60,
    oneTime: true,
    build: 'ab'.repeat(32),
    confirmation: { jkt: 'A'.repeat(43) },
    requestBinding: 'A'.repeat(43),
    patient: true,
  })
})

test('a standalone token carries its head itself', async () => {
  const [issued] = await requestTokens(session, { audience: domain.shop, form: 'standalone' })
  assert.equal(issued?.staple, undefined)
  assert.equal((await verdictOf(issued)).reason, 'ok')
})

test('takes references and the JWT form as they are', async () => {
  const reference = `qipr1.${'A'.repeat(27)}`
  const jwt = await domain.issueJwt()
  authority.fault('/v1/tokens', { json: { tokens: [reference, jwt], heads: [], expires: 77 } })
  const [first, second] = await requestTokens(session, { audience: domain.shop, count: 2 })
  assert.deepEqual([first?.token, first?.expiresS, first?.staple], [reference, 77, undefined])
  assert.deepEqual([second?.token, second?.expiresS], [jwt, domain.nowS() + 300])
})

test('refuses answers that are not what was ordered, and shows no token of them', async () => {
  const { text, staple } = await domain.issueOne()
  const good = { tokens: [text], heads: [staple], expires: 1 }
  const cases = [
    { ...good, tokens: [] },
    { ...good, tokens: [text, text] },
    { ...good, tokens: [text.slice(0, -1)] },
    { ...good, tokens: [7] },
    { ...good, heads: ['AAAA'] },
    { ...good, heads: Array.from({ length: 65 }, () => staple) },
    { tokens: [text] },
    [],
  ]
  for (const json of cases) {
    authority.fault('/v1/tokens', { json })
    await assert.rejects(requestTokens(session, { audience: domain.shop }), (error) => {
      assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(text.slice(0, 24)))
      return isQipError(error, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE')
    })
  }
  await assert.rejects(requestTokens(session, { audience: domain.shop, count: 1_001 }), TypeError)
})

test('an issued token is shown by nothing but its name', async () => {
  const [issued] = await requestTokens(session, { audience: domain.shop })
  const shown = inspect({ issued }, { depth: 9, showHidden: true }) + JSON.stringify({ issued })
  assert.ok(!shown.includes('qip1.'))
  assert.match(issued?.token ?? '', /^qip1\./)
})

test('orders are sent once', async () => {
  const before = authority.count('/v1/tokens')
  authority.fault('/v1/tokens', 'drop')
  await assert.rejects(requestTokens(session, { audience: domain.shop }), (error) =>
    isQipError(error, 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'),
  )
  assert.equal(authority.count('/v1/tokens') - before, 1)
})

test('asks for an exchanged token that is good once, for one request, or bound to a key', async () => {
  const { text, staple } = await domain.issueOne({}, { publish: false })
  authority.routes.set('POST /oauth/token', () => ({
    json: { access_token: text, issued_token_type: tokenType, expires_in: 300, heads: [staple] },
  }))
  const bytes = new Uint8Array(32)
  const wish = { subjectToken: 'qip1.subject', audience: domain.shop }
  await exchangeToken(session, { ...wish, oneTime: true, requestBinding: bytes, jkt: bytes })
  const sent = new URLSearchParams(authority.received.at(-1)?.body)
  assert.equal(sent.get('one_time'), 'true')
  assert.equal(sent.get('request_binding'), 'A'.repeat(43))
  assert.equal(sent.get('cnf_jkt'), 'A'.repeat(43))
})

test('exchanges the caller’s token for the next call (RFC 8693)', async () => {
  const { text, staple } = await domain.issueOne({}, { publish: false })
  authority.routes.set('POST /oauth/token', () => ({
    json: {
      access_token: text,
      issued_token_type: tokenType,
      token_type: 'N_A',
      expires_in: 300,
      heads: [staple],
    },
  }))
  const issued = await exchangeToken(session, { subjectToken: 'qip1.subject', audience: domain.shop })
  assert.deepEqual([issued.token, issued.staple], [text, staple])
  const sent = authority.received.at(-1)
  assert.equal(sent?.headers['content-type'], 'application/x-www-form-urlencoded')
  assert.deepEqual(Object.fromEntries(new URLSearchParams(sent?.body)), {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: 'qip1.subject',
    subject_token_type: tokenType,
    audience: domain.shop,
  })
  authority.routes.set('POST /oauth/token', () =>
    authority.problem(
      400,
      'QIP_AUTHORITY_TOKEN_REFUSED',
      'no token: the subject token qip1.subject is not for you',
    ),
  )
  await assert.rejects(
    exchangeToken(session, { subjectToken: 'qip1.subject', audience: domain.shop }),
    (error) => isQipError(error, 'QIP_CLIENT_AUTHORITY_REFUSED') && !inspect(error).includes('qip1.subject'),
  )
})
