import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestBinding } from '@quantum-ip/token'
import { reasons, statusOf, type Verdict } from '@quantum-ip/verifier'
import { createTestDomain, type TestClaims, type TestDomain } from '../../../core/verifier/test/fixture.ts'
import { judgeToken, type ScriptVerdict } from '../src/script/judge.ts'
import { statusOfReason } from '../src/script/outcome.ts'
import { webPlatform } from '../src/script/worker-platform.ts'
import { partsOf } from './parts-of.ts'

const request = { method: 'GET', authority: 'shop.acme.example', target: '/cart?x=1' }
const certificate = new Uint8Array(32).fill(9)

/** What the script says about a text, by the state that the domain's store holds. */
function judge(domain: TestDomain, text: string | undefined, parts = partsOf(domain.store)): ScriptVerdict {
  const input = {
    token: text,
    tracestate: undefined,
    audience: domain.shop,
    nowMs: domain.clock.now(),
    request,
    certificate,
  }
  return judgeToken(
    input,
    webPlatform((name) => parts.get(name)),
  )
}

function verify(domain: TestDomain, text: string | undefined): Verdict | Promise<Verdict> {
  const verifier = domain.verifier()
  return verifier.verify(domain.input(text, { request, clientCertificateThumbprint: certificate }))
}

/** Both are asked; the script has the verifier's verdict, or says that a verifier is to be asked. Returns its reason. */
async function agree(
  domain: TestDomain,
  text: string | undefined,
  what: string,
  parts = partsOf(domain.store),
): Promise<string> {
  const verdict = await verify(domain, text)
  const script = judge(domain, text, parts)
  if (script.ask) assert.notEqual(statusOfReason(script.reason), 'verified', what)
  else {
    assert.equal(script.reason, verdict.reason, what)
    assert.equal(script.claims?.sub, verdict.identity, what)
  }
  return script.ask ? `ask: ${script.reason}` : script.reason
}

const hour = 3_600

const cases: Readonly<Record<string, TestClaims>> = {
  plain: {},
  'several audiences': { aud: ['spiffe://acme.example/ns/prod/sa/shop', 'spiffe://acme.example/a'] },
  'a build': { bld: new Uint8Array(32).fill(7), bev: 2, att: [1, 1] },
  'another audience': { aud: ['spiffe://acme.example/ns/prod/sa/other'] },
  'one use': { use: 1 },
  'the request': { req: requestBinding(request) },
  'another request': { req: requestBinding({ ...request, target: '/cart' }) },
  'the certificate': { cnf: { x5tS256: certificate } },
  'another certificate': { cnf: { x5tS256: new Uint8Array(32) } },
  'a key': { cnf: { jkt: certificate } },
  'a chain': {
    chn: [{ sid: 'spiffe://acme.example/ns/prod/sa/first', attLog: 1, attIndex: 0, log: 1, index: 1 }],
  },
  'another domain': { sub: 'spiffe://other.example/a' },
}

test('comes to the verdict of the verifier for tokens of every kind, in batches of every size', async () => {
  const domain = await createTestDomain()
  const seen = new Set<string>()
  for (const size of [1, 2, 3, 13, 64, 300]) {
    const kinds = Object.entries(cases)
    const batch = Array.from(
      { length: size },
      (_, at) => (kinds[at % kinds.length] as [string, TestClaims])[1],
    )
    const tokens = await domain.issue(batch)
    for (const [at, token] of tokens.entries()) {
      if (at % 7 > 2 && at > 30) continue
      seen.add(await agree(domain, token.text, `${kinds[at % kinds.length]?.[0]} of ${size}`))
    }
  }
  const all = [...seen].sort()
  assert.deepEqual(all, [
    'ask: binding_mismatch',
    'ask: replay_unavailable',
    'audience_mismatch',
    'binding_mismatch',
    'key_unknown',
    'ok',
    'ok_shallow',
  ])
})

test('comes to the verdict of the verifier for whatever is changed or cut in a token', async () => {
  const domain = await createTestDomain()
  const batch = await domain.issue(
    [cases['a build'], cases['a chain'], {}, {}, cases['several audiences']].map((one) => one ?? {}),
  )
  const seen = new Map<string, number>()
  const parts = partsOf(domain.store)
  const take = async (text: string, what: string): Promise<void> => {
    const reason = await agree(domain, text, what, parts)
    seen.set(reason, (seen.get(reason) ?? 0) + 1)
  }
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+,. é'
  const draw = (max: number): number => {
    const [a = 0, b = 0] = domain.random.bytes(2)
    return (a * 256 + b) % max
  }
  for (const { text } of batch) {
    for (let cut = 0; cut < text.length; cut += 3) await take(text.slice(0, cut), `cut at ${cut}`)
    for (let i = 0; i < 300; i++) {
      const at = draw(text.length)
      await take(text.slice(0, at) + alphabet[draw(alphabet.length)] + text.slice(at + 1), `changed at ${at}`)
      await take(text.slice(0, at) + text.slice(at + 1 + draw(4)), `taken out at ${at}`)
    }
    await take(`${text}A`, 'longer')
    await take(`${text}, ${text}`, 'two')
  }
  for (const reason of ['token_truncated', 'token_malformed', 'signature_invalid', 'key_unknown']) {
    assert.ok((seen.get(reason) ?? 0) > 0, `${reason} among ${[...seen.keys()].join(', ')}`)
  }
})

test('comes to the verdict of the verifier about what is not there, and other forms are for a verifier', async () => {
  const domain = await createTestDomain()
  const { text } = await domain.issueOne({}, { form: 'standalone' })
  const told = [
    await agree(domain, undefined, 'none'),
    await agree(domain, '', 'empty'),
    await agree(domain, 'rubbish', 'rubbish'),
    await agree(domain, text, 'standalone'),
    await agree(domain, await domain.issueJwt(), 'JWT'),
  ]
  assert.deepEqual(told, [
    'token_absent',
    'token_malformed',
    'token_malformed',
    'ask: token_malformed',
    'ask: token_malformed',
  ])
})

test('comes to the verdict of the verifier as time goes', async () => {
  const domain = await createTestDomain()
  const soon = await domain.issueOne({ iat: domain.nowS() + 40, exp: domain.nowS() + 100 })
  const { text } = await domain.issueOne()
  const told = [await agree(domain, soon.text, 'early'), await agree(domain, text, 'now')]
  domain.clock.advance(290_000)
  told.push(await agree(domain, text, 'late'))
  domain.clock.advance(20_000)
  told.push(await agree(domain, text, 'stale'))
  domain.clock.advance(30_000)
  told.push(await agree(domain, text, 'expired'))
  domain.clock.advance(-hour * 1_000)
  told.push(await agree(domain, text, 'the clock went back'))
  assert.deepEqual(told, [
    'token_not_yet_valid',
    'ok',
    'ok',
    'trust_stale',
    'token_expired',
    'token_not_yet_valid',
  ])
})

test('comes to the verdict of the verifier for every kind of revocation', async () => {
  const domain = await createTestDomain()
  const bld = new Uint8Array(32).fill(7)
  const chn = [{ sid: `${domain.td}/hop`, attLog: 1, attIndex: 4, log: 1, index: 3 }]
  const batch = await domain.issue([
    {},
    { sub: `${domain.td}/a` },
    { bld, bev: 1, att: [1, 9] },
    { chn },
    {},
    {},
    {},
  ])
  const told: string[] = []
  const look = async (): Promise<void> => {
    const line = []
    for (const { text } of batch) line.push(await agree(domain, text, `${told.length}`))
    told.push(line.map((reason) => reason.replace('_revoked', '')).join(' '))
  }
  await look()
  const log = domain.log.origin
  await domain.revoke({ kind: 'token', value: Buffer.from(batch[0]?.digest ?? []).toString('hex') })
  await look()
  await domain.revoke({ kind: 'identity', value: `${domain.td}/a`, before: domain.nowS() + 1 })
  await domain.revoke({ kind: 'identity', value: domain.web, before: domain.nowS() })
  await look()
  await domain.revoke({ kind: 'build', value: Buffer.from(bld).toString('hex') })
  await look()
  await domain.revoke({ kind: 'identity', value: `${domain.td}/hop`, expires: domain.nowS() + 10 })
  await look()
  domain.clock.advance(11_000)
  await domain.publish()
  await look()
  await domain.revoke({ kind: 'range', log, from: 5, value: '6' })
  await domain.revoke({ kind: 'token', log, value: '7' })
  await domain.revoke({ kind: 'range', log, from: 100, value: '281474976710656' })
  await look()
  await domain.revoke({ kind: 'key', value: domain.key('issuer/1').record.key.kid })
  await look()
  assert.deepEqual(told, [
    'ok ok ok_shallow ok_shallow ok ok ok',
    'token ok ok_shallow ok_shallow ok ok ok',
    'token identity ok_shallow ok_shallow ok ok ok',
    'token identity build ok_shallow ok ok ok',
    'token identity build identity ok ok ok',
    'token identity build ok_shallow ok ok ok',
    'token identity build ok_shallow token ok token',
    'key key key key key key key',
  ])
})

test('asks about a head that no state has listed yet, and refuses one that was never listed', async () => {
  const domain = await createTestDomain()
  await domain.issueOne()
  const young = await domain.issueOne({}, { publish: false })
  assert.equal(await agree(domain, young.text, 'young'), 'ask: head_unavailable')
  await domain.publish()
  assert.equal(await agree(domain, young.text, 'listed'), 'ok')
  const parts = partsOf(domain.store)
  const heads = [...parts.keys()].filter((name) => name.includes('/heads/'))
  for (const name of heads) parts.set(name, '\n')
  assert.equal(judge(domain, young.text, parts).reason, 'head_unknown')
})

test('does not take a head of another place for the one that a token names', async () => {
  const domain = await createTestDomain()
  const { text } = await domain.issueOne()
  const parts = partsOf(domain.store)
  const name = [...parts.keys()].find((one) => one.includes('/heads/')) ?? ''
  const lines = parts.get(name) ?? ''
  for (const shifted of [
    lines.replace(/^(\d+) /m, '1$1 '),
    lines.replace(/ (\d+) /, ' 1$1 '),
    lines.trimStart(),
  ]) {
    assert.notEqual(judge(domain, text, new Map([...parts, [name, shifted]])).reason, 'ok')
  }
  const forged = lines.replace(/[0-9a-f]{64}/, '0'.repeat(64))
  assert.equal(judge(domain, text, new Map([...parts, [name, forged]])).reason, 'signature_invalid')
})

test('refuses with what it has where the state is missing, unreadable or of another version', async () => {
  const domain = await createTestDomain()
  const { text } = await domain.issueOne()
  assert.equal(judge(domain, text, new Map()).reason, 'trust_stale')
  assert.equal(judge(domain, text, new Map([['state', '{']])).reason, 'trust_stale')
  assert.equal(
    judge(domain, text, new Map([['state', '{"format":"quantum-ip-edge-state/2"}']])).reason,
    'trust_stale',
  )
  const input = {
    token: text,
    tracestate: undefined,
    audience: domain.shop,
    nowMs: domain.clock.now(),
    request,
    certificate,
  }
  const parts = partsOf(domain.store)
  const broken = webPlatform((name) => {
    if (name !== 'state') throw new Error('no permission')
    return parts.get(name)
  })
  assert.deepEqual(judgeToken(input, broken), {
    reason: 'trust_stale',
    ask: false,
    claims: undefined,
    fault: 'the state cannot be read: no permission',
  })
})

test('knows the status of every reason', () => {
  for (const reason of reasons) assert.equal(statusOfReason(reason), statusOf(reason), reason)
})
