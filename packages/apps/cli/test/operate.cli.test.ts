import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { newPolicy } from '@quantum-ip/policy'
import { openTestAuthority, type TestAuthority } from './support/authority.ts'
import { qip } from './support/qip.ts'
import { run, steady } from './support/run.ts'

// The whole way of a build and a token, by commands, against a real authority. Tests go on where the one before ended.

const shop = 'spiffe://acme.example/ns/prod/sa/shop'
const checkout = 'spiffe://acme.example/ns/prod/sa/checkout'
const builder = 'https://ci.acme.example/release'

let ground: TestAuthority
let token = ''
const at = (name: string) => join(ground.folder, name)
const asAdmin = (...args: string[]) => run([...args, '--authority', ground.socket])

before(async () => {
  ground = await openTestAuthority()
  await writeFile(at('shop.tgz'), 'a build')
})

after(async () => {
  await ground[Symbol.asyncDispose]()
})

test('draws the two keys of a builder, and never over keys that are there', async () => {
  const { code, stdout } = await run(['attest', '--new-keys', at('builder')])
  assert.equal(code, 0)
  assert.match(stdout, /qip keys register/)
  const again = await run(['attest', '--new-keys', at('builder'), '--json'])
  assert.equal(again.code, 2)
  assert.equal(again.json()['code'], 'QIP_CLI_FILE_UNWRITABLE')
})

const keyFiles = () => ['ml-dsa-65', 'ed25519'].map((alg) => at(`builder/builder-${alg}`))
const attest = (...more: string[]) => {
  const keys = keyFiles().flatMap((file) => ['--key', `${file}.private.jwk`])
  const out = ['--out', at('shop.evidence.json')]
  return asAdmin('attest', at('shop.tgz'), '--builder', builder, ...keys, ...out, ...more)
}

test('does not attest for a builder that the authority does not know', async () => {
  const { code, stderr } = await attest()
  assert.equal(code, 1)
  assert.match(stderr, /builder/)
  assert.match(stderr, /next: /)
})

test('registers the builder, attests the build and writes the evidence', async () => {
  const files = keyFiles().map((file) => `${file}.public.jwk`)
  assert.equal((await asAdmin('keys', 'register', builder, ...files)).code, 0)
  const source = ['--source', 'git+https://git.acme.example/shop/checkout', '--ref', 'refs/tags/v1']
  const unnamed = await attest(...source, '--json')
  assert.deepEqual([unnamed.code, unnamed.json()['code']], [2, 'QIP_CLI_USAGE'])
  const attested = await attest(...source, '--commit', '0123456789012345678901234567890123456789', '--json')
  assert.equal(attested.code, 0, attested.stdout)
  assert.deepEqual([attested.json()['log'], attested.json()['index']], ['acme.example/attestations/1', 1])
})

test('verifies the build online, and refuses another one and another builder', async () => {
  const good = await asAdmin('verify', at('shop.tgz'), '--json')
  assert.deepEqual([good.code, good.json()['builder'], good.json()['mode']], [0, builder, 'online'])
  await writeFile(at('other.tgz'), 'another build')
  const other = await asAdmin('verify', at('other.tgz'), '--json')
  assert.deepEqual([other.code, other.json()['code']], [1, 'QIP_CLI_NOT_FOUND'])
  const foreign = await asAdmin('verify', at('shop.tgz'), '--builder', 'https://ci.evil.example/**', '--json')
  assert.deepEqual([foreign.code, foreign.json()['code']], [1, 'QIP_CLI_EXPECTATION_MISSED'])
})

test('verifies the evidence offline, by pinned documents or by named keys, and says as of when', async () => {
  for (const name of ['root', 'bundle']) {
    await writeFile(at(`${name}.json`), await (await fetch(`${ground.url}/v1/${name}`)).text())
  }
  const documents = ['--root-document', at('root.json'), '--bundle', at('bundle.json')]
  const evidence = ['--evidence', at('shop.evidence.json')]
  const pinned = await run(['verify', at('shop.tgz'), ...evidence, ...documents])
  assert.equal(pinned.code, 0, pinned.stderr)
  assert.match(pinned.stdout, /as of +\d{4}-/)
  assert.match(pinned.stdout, /nobody was asked/)

  const info = (await asAdmin('ledger', 'info', 'attestations/1', '--json')).json() as { vkeys: string[] }
  const logKey = ['--log-key', info.vkeys[0] ?? '']
  const builderKeys = keyFiles().flatMap((file) => ['--builder-key', `${file}.public.jwk`])
  const named = await run(['verify', at('shop.tgz'), ...evidence, ...logKey, ...builderKeys, '--json'])
  assert.deepEqual([named.code, named.json()['mode']], [0, 'offline'])
  await writeFile(at('log.vkey'), `${info.vkeys[0]}\n`)
  const fromFile = ['--log-key', at('log.vkey'), ...builderKeys]
  assert.equal((await run(['verify', at('shop.tgz'), ...evidence, ...fromFile])).code, 0)

  const expired = await run([
    'verify',
    at('shop.tgz'),
    ...evidence,
    ...documents,
    '--at',
    '2099-01-01',
    '--json',
  ])
  assert.deepEqual([expired.code, expired.json()['code']], [1, 'QIP_TRUST_DOCUMENT_EXPIRED'])
  const half = await run(['verify', at('shop.tgz'), ...evidence, ...logKey, '--json'])
  assert.deepEqual([half.code, half.json()['code']], [2, 'QIP_CLI_USAGE'])
  const changed = await run(['verify', at('other.tgz'), ...evidence, ...documents, '--json'])
  assert.deepEqual([changed.code, changed.json()['code']], [1, 'QIP_ATTESTATION_ENTRY_MISMATCH'])
})

test('draws a token for a workload by a join token, and again by the session that was kept', async () => {
  const join = await asAdmin('join-token', checkout, '--build', at('shop.tgz'), '--out', at('join'))
  assert.equal(join.code, 0, join.stderr)
  const first = await asAdmin(
    'token',
    'issue',
    '--audience',
    shop,
    '--join-token',
    at('join'),
    '--session',
    at('session'),
    '--raw',
  )
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, /^qip1\.[\w-]+\n$/)
  const second = await asAdmin('token', 'issue', '--audience', shop, '--session', at('session'), '--json')
  assert.equal(second.json()['sid'], checkout)
  token = (second.json()['tokens'] as string[])[0] ?? ''
  const spent = await asAdmin('token', 'issue', '--audience', shop, '--join-token', at('join'), '--json')
  assert.deepEqual([spent.code, spent.json()['code']], [1, 'QIP_CLIENT_AUTHORITY_REFUSED'])
})

test('inspects a token without asking anybody, and never shows its nonce unasked', async () => {
  const { code, stdout } = await run(['token', 'inspect', '-', '--audience', shop], token)
  assert.equal(code, 0)
  const shown = await run(['token', 'inspect', '--show-secret', '--json', token])
  const { jti } = shown.json()['claims'] as { jti: string }
  assert.equal(jti.length, 22)
  assert.ok(!stdout.includes(jti))
  const quiet = await run(['token', 'inspect', '--json', token])
  assert.ok(!quiet.stdout.includes(jti))
  assert.deepEqual(
    (quiet.json()['checks'] as { name: string; outcome: string }[]).map(
      ({ name, outcome }) => `${name} ${outcome}`,
    ),
    [
      'shape holds',
      'limits holds',
      'key open',
      'time holds',
      'audience open',
      'revocation open',
      'proof holds',
      'head open',
      'attestation open',
    ],
  )
  assert.equal(steady(stdout).split('\n').slice(0, 12).join('\n'), inspected)
})

const inspected = `Merkle token, compact form <count> characters

What it says
  caller    ${checkout}
            who calls; the authority of spiffe://acme.example says so
  for       ${shop}
            only this service takes it
  issued    <moment>, <span>
  expires   <moment>, <span>
            good for <span>
  use       many times
            until it expires`

test('says of a cut token that it was cut, and exits 1', async () => {
  const { code, stdout } = await run(['token', 'inspect', token.slice(0, 100), '--json'])
  assert.equal(code, 1)
  assert.equal((JSON.parse(stdout) as { code: string }).code, 'QIP_TOKEN_TRUNCATED')
})

test('verifies a token as an enforcement point does, deep check included', async () => {
  const good = await asAdmin('token', 'verify', token, '--deep', '--json')
  assert.equal(good.code, 0, good.stdout)
  const verdict = good.json()['verdict'] as Record<string, unknown>
  assert.deepEqual([verdict['status'], verdict['reason'], verdict['identity']], ['verified', 'ok', checkout])
  const other = await asAdmin('token', 'verify', token, '--audience', checkout)
  assert.equal(other.code, 1)
  assert.match(other.stdout, /^invalid audience_mismatch\n/)
  assert.match(other.stdout, /next: a token for this service/)
})

test('looks into logs: lists them, proves an entry, verifies one whole', async () => {
  const list = (await asAdmin('ledger', 'info', '--json')).json() as {
    logs: { origin: string; size: number }[]
  }
  assert.deepEqual(list.logs.map(({ origin }) => origin).sort(), [
    'acme.example/attestations/1',
    'acme.example/tokens/1',
  ])
  const entry = (await asAdmin('ledger', 'get', 'attestations/1', '1', '--json')).json()
  assert.deepEqual([entry['kind'], entry['size']], ['attestation', 2])
  const proof = await asAdmin('ledger', 'prove', 'tokens/1', '1', '--out', at('proof'))
  assert.equal(proof.code, 0, proof.stderr)
  assert.match(await readFile(at('proof'), 'utf8'), /^c2sp\.org\/tlog-proof@v1\nindex 1\n/)
  const open = ['ledger', 'open', 'tokens/1', '1', '--key-file', at('keys.records.jwk')]
  const opened = (await asAdmin(...open, '--json')).json() as {
    isLogged: boolean
    claims: { sub: string; jti?: string }
    admission: { method: string; evidence: { token: string } }
  }
  assert.deepEqual([opened.isLogged, opened.claims.sub, opened.claims.jti], [true, checkout, undefined])
  assert.deepEqual(
    [opened.admission.method, typeof opened.admission.evidence.token],
    ['join-token', 'string'],
  )
  assert.match((await asAdmin(...open)).stdout, /^holds the hash at 1/)
  const whole = await asAdmin('ledger', 'verify', 'tokens/1', '--json')
  assert.deepEqual(whole.json()['entries'], { 'null entries': 1, tokens: 2 })
  const none = await asAdmin('ledger', 'get', 'tokens/1', '99', '--json')
  assert.deepEqual([none.code, none.json()['code']], [1, 'QIP_CLI_NOT_FOUND'])
})

test('reads logs over the network on pins or on the word of the authority, and on nothing else', async () => {
  const over = (...args: string[]) => run([...args, '--authority', ground.url, '--json'])
  const unpinned = await over('ledger', 'info')
  assert.deepEqual([unpinned.code, unpinned.json()['code']], [2, 'QIP_CLI_TRUST_UNPINNED'])
  assert.equal((await over('ledger', 'info', '--trust-authority')).code, 0)
  const pins = ground.authority.root.roots.flatMap(({ kid }) => ['--root', kid])
  assert.equal((await over('ledger', 'info', 'tokens/1', ...pins)).code, 0)
  const wrong = await over('ledger', 'info', '--root', 'A'.repeat(43))
  assert.deepEqual([wrong.code, wrong.json()['code']], [1, 'QIP_TRUST_ROOT_NOT_PINNED'])
})

test('lists keys with a credential, and says where to get one without', async () => {
  const bare = await run(['keys', 'list', '--authority', ground.url, '--json'])
  assert.deepEqual([bare.code, bare.json()['code']], [1, 'QIP_CLI_CREDENTIAL_MISSING'])
  const credential = ['--credential-file', at('data/admin-credential')]
  const listed = await run(['keys', 'list', '--authority', ground.url, ...credential])
  assert.match(listed.stdout, /qip-token +active +ML-DSA-44/)
  assert.match(listed.stdout, /qip-build +active +ML-DSA-65/)
})

test('rotates the issuing key: the published one becomes active', async () => {
  const before = (await asAdmin('keys', 'list', '--use', 'qip-token', '--json')).json() as { keys: KeyJson[] }
  const standby = before.keys.find(({ use, state }) => use === 'qip-token' && state === 'published')
  const after = (await asAdmin('keys', 'rotate', '--json')).json() as { keys: KeyJson[] }
  const active = after.keys.find(({ use, state }) => use === 'qip-token' && state === 'active')
  assert.ok(standby)
  assert.equal(active?.kid, standby.kid)
})

interface KeyJson {
  readonly use: string
  readonly state: string
  readonly kid: string
}

test('explains a decision by the record that the authority keeps', async () => {
  const id = 'edge-1-01mcc5rm00abcdefghjkmnpqrs'
  await ground.authority.decisions.add([
    { id, timeMs: 1_800_000_000_000, reason: 'token_expired', record: record(id) },
  ])
  const { code, stdout } = await asAdmin('explain', id)
  assert.equal(code, 0)
  assert.match(stdout, /^reject token_expired edge-1-/)
  assert.match(stdout, /claims to be spiffe:\/\/acme\.example\/ns\/prod\/sa\/checkout, not proven/)
  assert.match(stdout, /policy default version 3: its defaults: no rule held/)
  assert.match(stdout, /What would change it\n {2}- a fresh token/)
  const none = await asAdmin('explain', id.replace('01m', '01n'), '--json')
  assert.deepEqual([none.code, none.json()['code']], [1, 'QIP_CLI_NOT_FOUND'])
  const malformed = await asAdmin('explain', 'nonsense', '--json')
  assert.deepEqual([malformed.code, malformed.json()['code']], [2, 'QIP_TELEMETRY_DECISION_ID_MALFORMED'])
})

test('explains a decision that its enforcement point has forgotten by the policy that decided', async () => {
  const id = 'edge-1-01mcc5rm00abcdefghjkmnpqrt'
  const kept = {
    ...record(id),
    status: 'verified',
    reason: 'ok',
    authenticated: true,
    subject: checkout,
    build: { digest: 'ab', evidence: 'measured' },
    rule: 'unattested-builds',
    decidedBy: 'rule',
    wouldBe: 'quarantine',
    facts: { 'build.slsaLevel': 2, 'request.method': 'GET' },
  }
  await ground.authority.decisions.add([{ id, timeMs: 1_800_000_000_000, reason: 'ok', record: kept }])
  const text = newPolicy('default')
  const file = at('explained.policy.yaml')
  await writeFile(file, text.replace('version: 1', 'version: 3'))
  const { code, stdout, stderr } = await asAdmin('explain', id, '--policy', file)
  assert.equal(code, 0, stderr)
  assert.match(
    stdout,
    /decided +unattested-builds → quarantine\n[^\n]+\n[^\n]+\n[^\n]+\n +build\.slsaLevel = 2/,
  )
  assert.match(stdout, /- allowed if `build\.slsaLevel` were 3 \(is 2\)/)
  await writeFile(file, text)
  const other = await asAdmin('explain', id, '--policy', file, '--json')
  assert.deepEqual([other.code, other.json()['code']], [2, 'QIP_CLI_USAGE'])
})

test('explains a decision by the version that the authority published, where nobody names a file', async () => {
  const id = 'edge-1-01mcc5rm00abcdefghjkmnpqrv'
  const file = at('published.policy.yaml')
  await writeFile(file, newPolicy('published'))
  const published = await asAdmin('policy', 'publish', file)
  assert.equal(published.code, 0, published.stderr)
  const kept = {
    ...record(id),
    status: 'verified',
    reason: 'ok',
    authenticated: true,
    subject: checkout,
    build: { digest: 'ab', evidence: 'measured' },
    policy: { name: 'published', version: 1 },
    rule: 'unattested-builds',
    decidedBy: 'rule',
    wouldBe: 'quarantine',
    facts: { 'build.slsaLevel': 2, 'request.method': 'GET' },
  }
  await ground.authority.decisions.add([{ id, timeMs: 1_800_000_000_000, reason: 'ok', record: kept }])
  const { stdout } = await asAdmin('explain', id)
  assert.match(stdout, /decided +unattested-builds → quarantine/)
  assert.match(stdout, /- allowed if `build\.slsaLevel` were 3 \(is 2\)/)
})

test('replays recorded decisions against a candidate: who would be treated otherwise, by which rule', async () => {
  const since = 1_700_000_000_000
  const kept = Array.from({ length: 14 }, (_, n) => {
    const id = `edge-1-01mcc5rm0${String(n).padStart(2, '0')}bcdefghjkmnpqrt`
    const judged = { status: 'verified', reason: 'ok', authenticated: true, deep: true, share: 0.01 }
    const build = { digest: 'ab', evidence: 'measured' }
    const subject = `${checkout}${n}`
    const made = {
      policy: { name: 'replayed', version: 1 },
      action: 'allow',
      wouldBe: 'allow',
      exception: null,
    }
    const facts = { 'build.slsaLevel': 2, 'request.method': 'GET' }
    return {
      id,
      timeMs: since + n,
      reason: 'ok',
      record: { ...record(id), ...judged, ...made, build, subject, facts, timeMs: since + n },
    }
  })
  await ground.authority.decisions.add(kept)
  const file = at('candidate.policy.yaml')
  await writeFile(file, newPolicy('replayed'))
  const span = ['--since', '2023-11-14T22:13:20Z', '--until', '2023-11-14T23:00:00Z']
  const { code, stdout, stderr } = await asAdmin('policy', 'replay', file, ...span)
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^replayed version 1 over 14 decisions of policy replayed, 2023-11-14 22:13:20Z to/)
  assert.match(
    stdout,
    /allow → quarantine by rule unattested-builds: 14 callers would be quarantined, in 14 records \(about 1400 requests\)/,
  )
  assert.match(stdout, /newest: edge-1-01mcc5rm013bcdefghjkmnpqrt /)
  const lines = kept.map((one) => JSON.stringify(one.record))
  const suppressed = JSON.stringify({ kind: 'suppressed', point: 'edge-1', reason: 'ok', count: 7 })
  const export_ = at('decisions.jsonl')
  await writeFile(
    export_,
    [...lines, suppressed, 'nonsense', lines[0]?.replace('replayed', 'other')].join('\n'),
  )
  const path = newPolicy('replayed').replace('verdict.status == "verified" &&', 'request.path == "/" &&')
  await writeFile(file, path)
  const read = (await run(['policy', 'replay', file, ...span, '--from', export_, '--json'])).json()
  assert.deepEqual(
    [
      read['records'],
      read['changed'],
      read['notJudged'],
      read['suppressed'],
      read['unreadable'],
      read['otherPolicy'],
    ],
    [14, 0, { records: 14, facts: { 'request.path': 14 }, engine: 0 }, 7, 1, 1],
  )
  const shown = await run(['policy', 'replay', file, ...span, '--from', export_])
  assert.match(shown.stdout, /14 could not be judged: .*`request\.path` \(14\)\n7 more were not recorded/)
})

const record = (id: string) => ({
  kind: 'decision',
  id,
  timeMs: 1_800_000_000_000,
  point: 'edge-1',
  region: 'local',
  service: shop,
  status: 'invalid',
  reason: 'token_expired',
  authenticated: false,
  subject: null,
  claimedSubject: checkout,
  build: null,
  token: { log: 'acme.example/tokens/1', index: 7, digest: 'ab' },
  policy: { name: 'default', version: 3 },
  rule: null,
  decidedBy: 'default',
  action: 'reject',
  wouldBe: 'reject',
  mode: 'enforce',
  enforced: true,
  failOpen: [],
})

test('revokes a build: the build is refused at once, and so are its tokens', async () => {
  const revoked = await asAdmin('revoke', 'build', at('shop.tgz'), '--reason', 'it leaks', '--wait', '0s')
  assert.equal(revoked.code, 0, revoked.stderr)
  assert.match(revoked.stdout, /epoch +1, confirmed by signed state/)
  const verified = await asAdmin('verify', at('shop.tgz'), '--json')
  assert.deepEqual([verified.code, verified.json()['code']], [1, 'QIP_CLI_BUILD_REVOKED'])
  const judged = await asAdmin('token', 'verify', token, '--json')
  assert.equal((judged.json()['verdict'] as { reason: string }).reason, 'build_revoked')
})

test('revokes a token by itself, a range, an identity and a key', async () => {
  const reason = ['--reason', 'a drill', '--wait', '0s', '--json']
  const revocations = [
    ['token', token],
    ['token', '3', '--log', 'tokens/1'],
    ['range', '10', '20', '--log', 'tokens/1'],
    ['identity', checkout, '--before', 'now', '--expires', '2099-01-01T00:00:00Z'],
  ]
  for (const [index, words] of revocations.entries()) {
    const { code, stdout } = await asAdmin('revoke', ...words, ...reason)
    assert.equal(code, 0, stdout)
    assert.equal((JSON.parse(stdout) as { epoch: number }).epoch, index + 2)
  }
  const unknown = await asAdmin('revoke', 'key', 'A'.repeat(43), ...reason)
  assert.equal(unknown.code, 1)
  const noReason = await asAdmin('revoke', 'build', at('shop.tgz'), '--json')
  assert.deepEqual([noReason.code, noReason.json()['code']], [2, 'QIP_CLI_USAGE'])
})

test('the real binary finds the authority by the configuration of its folder, and says so where nobody answers', async () => {
  await writeFile(at('quantum-ip.yaml'), 'trustDomain: spiffe://acme.example\n')
  const found = await qip(['fleet'], { cwd: ground.folder })
  assert.equal(found.code, 0, found.stderr)
  assert.match(found.stdout, /nobody follows the trust state yet/)
  const away = await qip(['fleet', '--authority', 'http://127.0.0.1:1', '--json'])
  assert.equal(away.code, 3)
  assert.equal((JSON.parse(away.stdout) as { code: string }).code, 'QIP_CLI_UNREACHABLE')
  assert.equal(away.stderr, '')
})
