import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { assert as holdsFor, asyncProperty, constantFrom, integer, nat, property } from 'fast-check'
import { base64url, hex, systemRandom } from '@quantum-ip/base'
import { formatDecisionId } from '@quantum-ip/telemetry'
import { type JwtToken, type MerkleToken, readToken, TokenRefusal } from '@quantum-ip/token'
import { CaseMalformed, formatCase, parseCase } from '../src/investigate/case-file.ts'
import { examineCase } from '../src/investigate/examine-case.ts'
import { openTestAuthority, type TestAuthority } from './support/authority.ts'
import { run } from './support/run.ts'

// Builds of which some are good and others are not, against a real authority. Tests go on where the one before ended.

const shop = 'spiffe://acme.example/ns/prod/sa/shop'
const checkout = 'spiffe://acme.example/ns/prod/sa/checkout'
const builder = 'https://ci.acme.example/release'
const outsider = 'https://ci.elsewhere.example/release'
const digestOf = (content: string) => createHash('sha256').update(content).digest('hex')

let ground: TestAuthority
const at = (name: string) => join(ground.folder, name)
const asAdmin = (...args: string[]) => run([...args, '--authority', ground.socket])
const investigate = (...args: string[]) => asAdmin('investigate', ...args)

interface Found {
  readonly outcome: string
  readonly conclusion: string
  readonly findings: readonly { readonly code: string; readonly text: string }[]
  readonly gaps: readonly string[]
  readonly next: readonly string[]
  readonly timeToConfirmMs: number
  readonly timeline: readonly { readonly chapter: string; readonly standing: string; readonly text: string }[]
  readonly attestations: readonly { readonly holds: boolean }[]
  readonly decisions: { readonly total: number }
  readonly touched: {
    readonly services: readonly object[]
    readonly requests: readonly { readonly traceId?: string }[]
  }
  readonly parts: readonly { readonly name: string; readonly standing: string }[]
}

async function found(...args: string[]): Promise<Found> {
  const { stdout, stderr } = await investigate(...args, '--json')
  assert.equal(stderr, '')
  return JSON.parse(stdout) as Found
}

async function attest(content: string, by: string, keys: string): Promise<void> {
  await writeFile(at('build.tgz'), content)
  const files = ['ml-dsa-65', 'ed25519'].flatMap((alg) => ['--key', at(`${keys}/builder-${alg}.private.jwk`)])
  const source = [
    '--source',
    'git+https://git.acme.example/shop',
    '--ref',
    'refs/heads/main',
    '--commit',
    '0'.repeat(40),
  ]
  const out = ['--out', at(`${keys}.evidence.json`)]
  const { code, stderr } = await asAdmin(
    'attest',
    at('build.tgz'),
    '--builder',
    by,
    ...source,
    ...files,
    ...out,
  )
  assert.equal(code, 0, stderr)
}

before(async () => {
  ground = await openTestAuthority()
  for (const [id, keys] of [
    [builder, 'builder'],
    [outsider, 'outsider'],
  ] as const) {
    await run(['attest', '--new-keys', at(keys)])
    const files = ['ml-dsa-65', 'ed25519'].map((alg) => at(`${keys}/builder-${alg}.public.jwk`))
    assert.equal((await asAdmin('keys', 'register', id, ...files)).code, 0)
  }
  await attest('good', builder, 'builder')
  await attest('altered', builder, 'builder')
  await attest('outside', outsider, 'outsider')
  for (const content of ['good', 'tampered', 'altered', 'outside'])
    await asAdmin(
      'join-token',
      checkout,
      '--build',
      `sha256:${digestOf(content)}`,
      '--out',
      at(`join-${content}`),
    )
})

after(async () => {
  await ground[Symbol.asyncDispose]()
})

test('nothing contradicts a build that is attested, and each step of it is proven', async () => {
  const { outcome, conclusion, timeline, attestations } = await found(`sha256:${digestOf('good')}`)
  assert.deepEqual([outcome, conclusion], ['clean', 'nothing contradicts this build'])
  assert.deepEqual(
    attestations.map(({ holds }) => holds),
    [true],
  )
  assert.ok(timeline.some(({ chapter, standing }) => chapter === 'log' && standing === 'proven'))
})

test('a token is traced to its place in the log, its build and its uses, and stands in no answer and no case', async () => {
  const drawn = ['token', 'issue', '--audience', shop, '--join-token', at('join-good'), '--raw']
  const token = (await asAdmin(...drawn)).stdout.trim()
  const asked = await investigate(token, '--export', at('token.qip'))
  assert.equal(asked.code, 0, asked.stdout + asked.stderr)
  assert.match(asked.stdout, /the token was issued: proven to be logged at 1 of acme\.example\/tokens\/1/)
  assert.match(asked.stdout, new RegExp(`builds +sha256:${digestOf('good')}`))
  const read = readToken(token)
  assert.ok(!(read instanceof TokenRefusal) && read.form !== 'reference')
  for (const secret of [token, base64url(read.claims.jti)]) {
    assert.ok(!asked.stdout.includes(secret))
    assert.ok(!(await readFile(at('token.qip'), 'utf8')).includes(secret))
  }
  const opened = await found(token, '--key-file', at('keys.records.jwk'), '--export', at('opened.qip'))
  assert.ok(
    opened.timeline.some(
      ({ text }) => text.startsWith(`issued to ${checkout} with build`) && text.endsWith('fits the log'),
    ),
  )
  assert.ok(!(await readFile(at('opened.qip'), 'utf8')).includes(base64url(read.claims.jti)))
  const id = await reportUse(read)
  const byPlace = await found('tokens/1/1')
  assert.deepEqual([byPlace.outcome, byPlace.decisions.total], ['clean', 1])
  const beyond = await found('tokens/1/99')
  assert.deepEqual(
    [beyond.outcome, beyond.timeline.filter(({ chapter }) => chapter !== 'act')],
    ['unknown', []],
  )
  assert.match(beyond.conclusion, /^cannot say: the proof of token 99 .* the log has \d+ entries$/)
  const decision = await found(id)
  assert.deepEqual([decision.outcome, decision.conclusion], ['clean', 'nothing contradicts this decision'])
  const build = await found(digestOf('good'))
  assert.deepEqual([build.decisions.total, build.touched.requests[0]?.traceId], [1, 'f'.repeat(32)])
  const service = await found(checkout)
  assert.deepEqual(service.touched.services, [{ name: shop, passed: 1, refused: 0 }])
  const issuer = ground.authority.keys.list().find(({ record }) => record.log === 'acme.example/tokens/1')
  const key = await found(issuer?.record.key.kid ?? '')
  assert.deepEqual([key.outcome, key.decisions.total], ['clean', 1])
})

/** As a gateway reports that a request passed. */
async function reportUse(token: MerkleToken | JwtToken): Promise<string> {
  const timeMs = Date.now()
  const id = formatDecisionId('edge-1', timeMs, systemRandom)
  const record = {
    id,
    timeMs,
    point: 'edge-1',
    service: shop,
    subject: checkout,
    status: 'verified',
    reason: 'ok',
    action: 'allow',
    traceId: 'f'.repeat(32),
    build: { digest: digestOf('good'), evidence: 0 },
    token: { log: 'acme.example/tokens/1', index: token.index, digest: hex(token.digest) },
    share: 1,
  }
  await ground.authority.decisions.add([{ id, timeMs, reason: 'ok', record }])
  return id
}

test('a key of a builder shows what the builder attested', async () => {
  const { record } = ground.authority.keys.list().find(({ record: { name } }) => name === outsider) ?? {}
  const { attestations, timeline } = await found(record?.key.kid ?? '')
  assert.equal(attestations.length, 1)
  assert.ok(
    timeline.some(({ text }) =>
      text.startsWith(`${digestOf('outside').slice(0, 12)}… attested by ${outsider}`),
    ),
  )
})

test('a digest that nobody attested is contradicted, and the next command revokes it', async () => {
  const { outcome, conclusion, next, timeline } = await found(digestOf('tampered'))
  assert.equal(outcome, 'contradicted')
  assert.match(conclusion, /^no attestation of build [0-9a-f]{12}… is logged/)
  assert.ok(
    timeline.some(
      ({ standing, text }) => standing === 'proven' && text.includes('all of its 4 entries were read'),
    ),
  )
  assert.match(next[0] ?? '', new RegExp(`^qip revoke build sha256:${digestOf('tampered')} --reason`))
})

test('an artifact with other bytes under the same evidence is found by its digest', async () => {
  await writeFile(at('image'), 'tampered')
  await attest('good', builder, 'builder')
  const { outcome, findings } = await found(at('image'), '--evidence', at('builder.evidence.json'))
  assert.equal(outcome, 'contradicted')
  const finding = findings.find(({ code }) => code === 'attestation_fails')
  assert.match(
    finding?.text ?? '',
    /does not verify: digest differs: it attests [0-9a-f]{12}…, this is [0-9a-f]{12}…$/,
  )
})

test('an envelope that was altered after it was logged is found', async () => {
  const build = Buffer.from(digestOf('altered'), 'hex')
  const { sql } = ground.authority.store
  const [row] = await sql.query('SELECT envelope FROM attestations WHERE build = ?', [build])
  const envelope = JSON.parse(String(row?.['envelope'])) as { payload: string }
  const payload = Buffer.from(envelope.payload, 'base64')
    .toString()
    .replace('refs/heads/main', 'refs/heads/evil')
  const changed = JSON.stringify({ ...envelope, payload: Buffer.from(payload).toString('base64') })
  await sql.transact([
    { sql: 'UPDATE attestations SET envelope = ? WHERE build = ?', params: [changed, build] },
  ])
  const { outcome, conclusion } = await found(digestOf('altered'))
  assert.equal(outcome, 'contradicted')
  assert.match(conclusion, /does not verify: its envelope is not the one that was logged$/)
})

test('a build of a builder whom no rule lets build the service is found once it runs as that', async () => {
  const { sql } = ground.authority.store
  const detail = { method: 'join-token', admittedMs: Date.now(), builds: [[digestOf('outside'), 0, null]] }
  await sql.transact([
    {
      sql: 'INSERT INTO sessions (id, sid, role, session_key, detail, expires_s) VALUES (?, ?, ?, ?, ?, ?)',
      params: ['s', checkout, 'workload', new Uint8Array(32), JSON.stringify(detail), 4_000_000_000],
    },
  ])
  const { outcome, conclusion, timeline } = await found(digestOf('outside'))
  assert.equal(outcome, 'contradicted')
  assert.match(
    conclusion,
    /it is attested, and may not be spiffe:\/\/acme\.example\/ns\/prod\/sa\/checkout: /,
  )
  assert.ok(timeline.some(({ chapter, text }) => chapter === 'session' && text.includes('(unattested)')))
})

test('after the revocation it says so, with the epoch, and the signed state proves it', async () => {
  const revoked = await asAdmin(
    'revoke',
    'build',
    `sha256:${digestOf('good')}`,
    '--reason',
    'a drill',
    '--wait',
    '1ms',
  )
  assert.equal(revoked.code, 0)
  const { outcome, conclusion, timeline } = await found(digestOf('good'))
  assert.equal(outcome, 'revoked')
  assert.match(conclusion, /is revoked since .*, epoch 1: a drill$/)
  const revocations = timeline.filter(({ chapter }) => chapter === 'revocation')
  assert.deepEqual(
    revocations.map(({ standing }) => standing),
    ['proven'],
  )
  assert.ok(timeline.some(({ chapter, text }) => chapter === 'act' && text.includes('revoke')))
})

const pins = () => ground.authority.root.roots.flatMap(({ kid }) => ['--root', kid])

test('a case that was exported is verified offline, and says what is proven and what is only said', async () => {
  const exported = await investigate(digestOf('good'), '--export', at('case.qip'))
  assert.match(exported.stdout, /confirmed in .* from the command to the conclusion/)
  const digest = /digest +sha256:([0-9a-f]{64})/.exec(exported.stdout)?.[1] ?? ''
  const verified = await run(['investigate', 'verify', at('case.qip'), ...pins(), '--json'])
  assert.equal(verified.code, 0, verified.stdout)
  const answer = verified.json() as unknown as Found & { digest: string }
  assert.deepEqual([answer.digest, answer.outcome], [digest, 'revoked'])
  const standing = new Map(answer.parts.map((part) => [part.name, part.standing]))
  assert.deepEqual(
    [standing.get('state'), standing.get('evidence-1-1'), standing.get('context')],
    ['proven', 'proven', 'reported'],
  )
  const acts = await ground.authority.acts.list(10)
  assert.ok(acts.some(({ act, detail }) => act === 'export-case' && detail.includes(digest)))
  const person = await run(['investigate', 'verify', at('case.qip'), ...pins(), '--digest', digest])
  assert.match(person.stdout, /proven as of +\d{4}-/)
})

test('a case does not vouch for itself: it is refused under other root keys, and without any', async () => {
  const other = await run(['investigate', 'verify', at('case.qip'), '--root', 'A'.repeat(43), '--json'])
  assert.deepEqual([other.code, other.json()['code']], [1, 'QIP_TRUST_ROOT_NOT_PINNED'])
  const none = await run(['investigate', 'verify', at('case.qip'), '--json'])
  assert.deepEqual([none.code, none.json()['code']], [2, 'QIP_CLI_USAGE'])
  const noted = await run([
    'investigate',
    'verify',
    at('case.qip'),
    ...pins(),
    '--digest',
    '0'.repeat(64),
    '--json',
  ])
  assert.deepEqual([noted.code, noted.json()['code']], [1, 'QIP_CLI_EXPECTATION_MISSED'])
})

test('any changed byte of a case is found', async () => {
  const bytes = await readFile(at('case.qip'))
  holdsFor(
    property(nat(bytes.length - 1), integer({ min: 1, max: 255 }), (place, change) => {
      const changed = Uint8Array.from(bytes)
      changed[place] = (changed[place] ?? 0) ^ change
      // Bytes that are no UTF-8 are refused by whoever reads the file.
      assert.throws(() =>
        parseCase(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(changed)),
      )
    }),
    { numRuns: 300 },
  )
  assert.throws(() => parseCase(`${bytes.toString()} `), CaseMalformed)
})

test('whoever changes what is proven and mends all digests gains nothing: it is not proven any more', async () => {
  const { read } = parseCase(await readFile(at('case.qip'), 'utf8'))
  const { thumbprints, threshold } = {
    thumbprints: ground.authority.root.roots.map(({ kid }) => kid),
    threshold: 1,
  }
  const before_ = await examineCase(read, { thumbprints, threshold })
  const proven = before_.parts.filter(({ standing }) => standing === 'proven').map(({ name }) => name)
  assert.ok(proven.length >= 5)
  await holdsFor(
    asyncProperty(
      constantFrom(...proven),
      nat(),
      constantFrom('0', 'A', 'x', '9'),
      async (name, place, letter) => {
        const parts = read.parts.map((part) => {
          if (part.name !== name) return part
          const where = place % part.text.length
          return { ...part, text: `${part.text.slice(0, where)}${letter}${part.text.slice(where + 1)}` }
        })
        if (parts.every((part, nth) => part.text === read.parts[nth]?.text)) return
        const mended = parseCase(formatCase({ ...read, parts }).text).read
        const after_ = await examineCase(mended, { thumbprints, threshold }).catch(() => undefined)
        if (after_ === undefined) return
        // What is still proven says what it said before.
        assert.deepEqual(
          after_.attestations.filter(({ holds }) => holds),
          before_.attestations.filter(({ part }) =>
            after_.attestations.some((each) => each.holds && each.part === part),
          ),
        )
        assert.deepEqual(after_.revocations, before_.revocations)
      },
    ),
    { numRuns: 60 },
  )
})

test('refuses what it cannot recognise, and takes a kind by name', async () => {
  const odd = await investigate('what?', '--json')
  assert.deepEqual([odd.code, odd.json()['code']], [2, 'QIP_CLI_USAGE'])
  const token = await found('0'.repeat(64), '--kind', 'token')
  assert.equal(token.outcome, 'unknown')
})

test('who nobody ever heard of is neither good nor bad', async () => {
  const { outcome, conclusion } = await found('spiffe://acme.example/ns/prod/sa/nobody')
  assert.equal(outcome, 'unknown')
  assert.match(conclusion, /^cannot say: /)
})
