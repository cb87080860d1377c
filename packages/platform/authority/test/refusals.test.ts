import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, test } from 'node:test'
import { inspect } from 'node:util'
import { base64url, hex, isQipError } from '@quantum-ip/base'
import { secretBytes } from '@quantum-ip/crypto'
import { parseMerkleToken } from '@quantum-ip/token'
import { type Authority, type AuthorityServer, createJoinToken, serveAuthority } from '../src/index.ts'
import { openFileCustody } from '@quantum-ip/custody'
import { openHighWater } from '../src/store/high-water.ts'
import { killHard, served as serving, spawnAuthority } from './kill/child.ts'
import { admit, checkout, issue, openIn, placesIn, post, shop, td } from './support.ts'

let folder = ''
const opened: { close(): Promise<unknown> }[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-refusals-'))
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

async function serve(authority: Authority): Promise<AuthorityServer & { readonly url: string }> {
  const server = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
  opened.push(server)
  return { ...server, url: server.bound[0]?.url ?? '' }
}

/** Makes a store, and leaves it closed. */
async function made(): Promise<void> {
  await (await openIn(folder)).close()
}

function refuses(promise: Promise<unknown>, code: string): Promise<void> {
  return assert.rejects(promise, (error) => {
    assert.ok(isQipError(error, code), inspect(error))
    assert.ok(error.next, 'it says what to do')
    return true
  })
}

const database = (): string => join(placesIn(folder).folder, 'authority.db')
const highWater = (name: string): string => join(placesIn(folder).highWaterFolder, name)

function edit(sql: string): void {
  const opened = new DatabaseSync(database())
  opened.exec(sql)
  opened.close()
}

test('refuses a data directory of another version, and leaves it as it is', async () => {
  await made()
  // A version to come, with other tables under the same names.
  edit(`UPDATE meta SET value = '999' WHERE name = 'data-version'; DROP TABLE decisions; DROP TABLE acts;
    CREATE TABLE decisions (number INTEGER PRIMARY KEY)`)
  await refuses(openIn(folder), 'QIP_AUTHORITY_DATA_VERSION')
  const left = new DatabaseSync(database())
  const tables = left.prepare("SELECT name FROM sqlite_master WHERE name IN ('decisions', 'acts')").all()
  left.close()
  assert.deepEqual(
    tables.map((row) => row['name']),
    ['decisions'],
  )
})

test('refuses a data directory of another trust domain', async () => {
  await made()
  await refuses(openIn(folder, { trustDomain: 'spiffe://other.example' }), 'QIP_AUTHORITY_DATA_FOREIGN')
})

test('refuses a data directory that another process uses, until that one is gone', async () => {
  const child = spawnAuthority(folder)
  try {
    await serving(child)
    await refuses(openIn(folder), 'QIP_AUTHORITY_DATA_LOCKED')
  } finally {
    await killHard(child)
  }
  await open()
})

test('refuses a database that is none', async () => {
  await made()
  await rm(`${database()}-wal`, { force: true })
  await writeFile(database(), 'this is no database, and it is long enough for a header of one'.repeat(20))
  await refuses(openIn(folder), 'QIP_AUTHORITY_FILE_DAMAGED')
})

test('refuses damaged high-water marks, and goes on without them once they are moved away', async () => {
  const authority = await openIn(folder)
  await issue(authority)
  await authority.close()
  await writeFile(highWater('high-water'), new Uint8Array(32_768).fill(0xff))
  await refuses(openIn(folder), 'QIP_AUTHORITY_FILE_DAMAGED')
  await rm(highWater('high-water'))
  const { issuer } = await open()
  assert.match(issuer.log.origin, /\/tokens\/[3-9]$/)
})

test('refuses a damaged copy of the revocations, but not a torn end of it', async () => {
  const authority = await openIn(folder)
  for (const name of ['a', 'b']) {
    await authority.revoke({ kind: 'identity', value: `${td}/ns/prod/sa/${name}`, reason: 'test' })
  }
  await authority.close()
  const whole = await readFile(highWater('revocations'), 'utf8')
  await writeFile(highWater('revocations'), whole.replace('"epoch":1', '"epoch":one'))
  await refuses(openIn(folder), 'QIP_AUTHORITY_FILE_DAMAGED')
  await writeFile(highWater('revocations'), whole.replace('/sa/a', '/sa/c'))
  await refuses(openIn(folder), 'QIP_AUTHORITY_FILE_DAMAGED')
  await writeFile(highWater('revocations'), whole + whole.slice(0, 20))
  const again = await open()
  assert.equal(again.revocations.epoch, 2)
  await again.revoke({ kind: 'identity', value: `${td}/ns/prod/sa/d`, reason: 'test' })
  const lines = (await readFile(highWater('revocations'), 'utf8')).trimEnd().split('\n')
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { epoch: number }).epoch),
    [1, 2, 3],
  )
})

test('a full disk refuses what it cannot keep, and nothing else is lost (a page limit of SQLite stands for the disk)', async () => {
  const authority = await open()
  const { url } = await serve(authority)
  const { sql, clock, random } = { ...authority.store, clock: authority.clock, random: authority.random }
  const order = { sid: checkout, builds: [], role: 'workload' as const, ttlS: 60 }
  const { token } = await createJoinToken({ sql, clock, random, td }, order)
  const session = await admit(url, token)
  const [before] = (await issue(authority, { count: 10 })).tokens
  const [{ pages } = {}] = await sql.query('SELECT page_count AS pages FROM pragma_page_count')
  await sql.query(`PRAGMA max_page_count = ${Number(pages)}`)
  const answers = []
  for (let nth = 0; nth < 12; nth++) {
    answers.push(await post(url, '/v1/tokens', { body: { audience: shop, count: 500 }, session }))
  }
  const refused = answers.filter(({ status }) => status !== 200)
  assert.ok(refused.length > 0)
  for (const { status, body } of refused) {
    assert.equal(status, 503)
    assert.match(
      String(body['code']),
      /^QIP_(?:LOG|AUTHORITY)_(?:STORAGE_UNAVAILABLE|STORE_UNAVAILABLE|OUTCOME_UNKNOWN)$/,
    )
  }
  await sql.query('PRAGMA max_page_count = 1000000')
  const after = await issue(authority, { count: 10 })
  const { log } = authority.issuer.log
  for (const text of [before ?? '', ...after.tokens]) {
    const { index, digest } = parseMerkleToken(text)
    assert.equal(hex((await log.entry(index)).subarray(6)), hex(digest))
  }
})

test('a full disk below the high-water marks is an error before anything is signed', async () => {
  // Every write to this device fails with ENOSPC.
  await mkdir(placesIn(folder).highWaterFolder, { recursive: true })
  await symlink('/dev/full', highWater('high-water'))
  await refuses(openIn(folder), 'QIP_AUTHORITY_STORE_UNAVAILABLE')
  const marks = await openHighWater(highWater('high-water'))
  await assert.rejects(marks.reserve('acme.example/tokens/1'), /ENOSPC/)
  assert.equal(marks.mark('acme.example/tokens/1'), undefined)
  await marks.close()
})

test('refuses a port that is in use', async () => {
  const authority = await open()
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { port: number }
  try {
    await refuses(
      serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port }] }),
      'QIP_HTTP_ADDRESS_IN_USE',
    )
  } finally {
    other.close()
  }
  // It is as good as before.
  const { url } = await serve(authority)
  assert.equal((await fetch(`${url}/readyz`)).status, 200)
})

test('writes the first admin credential to a file of its owner alone, and nowhere else', async () => {
  const child = spawnAuthority(folder)
  try {
    const { url, output } = await serving(child)
    const file = join(placesIn(folder).folder, 'admin-credential')
    const credential = (await readFile(file, 'utf8')).trim()
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const keys = await fetch(`${url}/v1/keys`, { headers: { authorization: `Bearer ${credential}` } })
    assert.equal(keys.status, 200)
    const secret = credential.slice(-20)
    assert.ok(!output().includes(secret) && !(await keys.text()).includes(secret))
  } finally {
    await killHard(child)
  }
})

test('private keys and what guards them are for their owner alone', async () => {
  await made()
  const { custodyFolder, highWaterFolder } = placesIn(folder)
  const modes = new Set<string>()
  for (const name of await readdir(custodyFolder))
    modes.add(((await stat(join(custodyFolder, name))).mode & 0o777).toString(8))
  modes.add(((await stat(`${custodyFolder}.passphrase`)).mode & 0o777).toString(8))
  assert.deepEqual([...modes], ['600'])
  for (const each of [custodyFolder, highWaterFolder, placesIn(folder).folder]) {
    assert.equal((await stat(each)).mode & 0o777, 0o700, each)
  }
})

test('no key, token or secret of a session is in any error or reply', async () => {
  const authority = await open()
  const server = await serve(authority)
  const { url } = server
  const { store, clock, random } = authority
  const order = { sid: checkout, builds: [], role: 'workload' as const, ttlS: 60 }
  const { token: joinToken } = await createJoinToken({ sql: store.sql, clock, random, td }, order)
  const session = await admit(url, joinToken)
  const { tokens } = await issue(authority, { count: 2 })
  const [reference = ''] = (await issue(authority, { form: 'reference' })).tokens
  const [jwt = ''] = (await issue(authority, { form: 'jwt' })).tokens
  const admin = (await readFile(server.firstAdminFile ?? '', 'utf8')).trim()
  const stranger = { id: session.id, key: new Uint8Array(32).fill(0x5e) }
  const wrong = `qipj1.${'S3CRET-'.repeat(7).slice(0, 43)}`
  const kem = { kty: 'AKP', alg: 'X-Wing', pub: 'AAAA' }
  const cut = tokens[0]?.slice(0, -9) ?? ''
  const sent: readonly [
    target: string,
    body: unknown,
    session?: typeof session | undefined,
    bearer?: string,
  ][] = [
    ['/v1/workloads', { method: 'join-token', evidence: { token: joinToken }, key: kem }],
    ['/v1/workloads', { method: 'join-token', evidence: { token: wrong }, key: kem }],
    ['/v1/workloads', { method: joinToken, evidence: { token: joinToken }, key: kem }],
    ['/v1/tokens', { audience: tokens[0] }, session],
    ['/v1/tokens', { audience: shop, build: jwt }, session],
    ['/v1/tokens', { audience: shop, form: reference }, session],
    ['/v1/tokens', { audience: shop }, stranger],
    ['/oauth/token', { grant_type: 'urn:x', subject_token: tokens[0], audience: shop }, session],
    ['/v1/references', { token: reference }, session],
    ['/v1/references', { token: `${reference}x` }, undefined, admin],
    ['/v1/verify', { tokens: [{ token: cut, audience: shop }] }, undefined, admin],
    ['/v1/verify', { tokens: [{ token: tokens[0], audience: jwt }] }, undefined, admin],
    ['/v1/revocations', { kind: 'token', value: jwt, reason: 'x' }, undefined, admin],
    ['/v1/join-tokens', { sid: tokens[1] }, undefined, admin],
    ['/v1/keys', {}, undefined, `${admin}x`],
    ['/v1/attestations', { envelope: tokens[0] }],
    [`/v1/${cut}`, {}],
  ]
  const secrets = await secretsOf({ tokens, jwt, reference, joinToken, admin, wrong, cut, key: session.key })
  for (const [target, body, as, bearer] of sent) {
    const answer = await post(url, target, {
      body,
      ...(as !== undefined && { session: as }),
      ...(bearer !== undefined && { bearer }),
    })
    assert.notEqual(answer.status, 500, `${target}: ${answer.text}`)
    for (const [name, secret] of secrets) {
      assert.ok(
        !answer.text.includes(secret),
        `${name} in the reply of ${target}: ${answer.text.slice(0, 400)}`,
      )
    }
  }
})

/** What must not be seen: secrets, in parts that are long enough to be theirs. */
async function secretsOf(known: {
  readonly tokens: readonly string[]
  readonly jwt: string
  readonly reference: string
  readonly joinToken: string
  readonly admin: string
  readonly wrong: string
  readonly cut: string
  readonly key: Uint8Array
}): Promise<readonly (readonly [name: string, secret: string])[]> {
  const { tokens, jwt, reference, joinToken, admin, wrong, cut, key } = known
  const jtis = tokens.map((text) => parseMerkleToken(text).claims.jti)
  const { custodyFolder } = placesIn(folder)
  const custody = await openFileCustody({ folder: custodyFolder })
  const keys = await custody.list()
  const seeds = await Promise.all(
    keys.map(async ({ publicKey }) => base64url(secretBytes((await custody.exportKey(publicKey.kid)).key))),
  )
  assert.ok(seeds.length > 4 && seeds.every((seed) => seed.length === 43))
  const passphrase = (await readFile(`${custodyFolder}.passphrase`, 'utf8')).trim()
  return [
    ...[...tokens, jwt, cut].map((text) => ['a token', text.slice(6, 60)] as const),
    ...jtis.flatMap((jti) => [base64url(jti), hex(jti)].map((text) => ['a nonce', text] as const)),
    ['a reference', reference.slice(6, 28)],
    ['a join token', joinToken.slice(6, 30)],
    ['a wrong join token', wrong.slice(6, 30)],
    ['the admin credential', admin.slice(-20)],
    ['a session key', base64url(key)],
    ['a session key', hex(key)],
    ['a passphrase', passphrase],
    ...seeds.map((seed) => ['a private key', seed] as const),
  ]
}
