import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { buildProvenance, signStatement } from '@quantum-ip/attestation'
import { isQipError } from '@quantum-ip/base'
import { formatEnvelope, generatePrivateKey, sha256 } from '@quantum-ip/crypto'
import { parseMerkleToken } from '@quantum-ip/token'
import { backupOfFolder, openBackup } from '../src/backup/backup-store.ts'
import {
  type Authority,
  type BuilderOrder,
  openKeys,
  restoreKeys,
  restoreStore,
  sealKeys,
  serveAuthority,
  writeBackupFile,
} from '../src/index.ts'
import { layOutVersion1 } from './fixtures/data-of-version-1.ts'
import { Follower, issue, issuing, openIn, placesIn, td } from './support.ts'

let folder = ''
const opened: Authority[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-backup-'))
})

afterEach(async () => {
  await stop()
  await rm(folder, { recursive: true })
})

const file = (): string => join(folder, 'a.qipbackup')

async function open(options: Parameters<typeof openIn>[1] = {}): Promise<Authority> {
  const authority = await openIn(folder, options)
  opened.push(authority)
  return authority
}

async function stop(): Promise<void> {
  for (const authority of opened.splice(0)) await authority.close()
}

async function backUp({ store }: Authority): Promise<void> {
  const lines = await openBackup({ sql: store.sql, trustDomain: td, nowMs: Date.now() })
  await writeBackupFile(file(), lines)
}

/** The store is lost; marks and keys are not. */
async function lose(): Promise<void> {
  await stop()
  await rm(placesIn(folder).folder, { recursive: true })
}

const restore = (more: Partial<Parameters<typeof restoreStore>[0]> = {}) => {
  const { folder: store, highWaterFolder } = placesIn(folder)
  return restoreStore({ file: file(), trustDomain: td, folder: store, highWaterFolder, ...more })
}

const refused =
  (code: string, message = /./) =>
  (error: unknown) => {
    assert.ok(isQipError(error, code), String(error))
    assert.match(error.message, message)
    assert.ok(error.next)
    return true
  }

test('a backup under load is of one instant: every token up to it, whole logs, and nothing is held up', async () => {
  let authority = await open()
  const follower = await Follower.start(authority)
  const early = (await issue(authority, { count: 700 })).tokens
  const handed: string[] = []
  const over = new AbortController()
  const load = Array.from({ length: 8 }, async () => {
    while (!over.signal.aborted) handed.push(...(await issue(authority, { count: 20 })).tokens)
  })
  const lines = await openBackup({ sql: authority.store.sql, trustDomain: td, nowMs: Date.now() })
  const atInstant = authority.issuer.log.log.head().size
  // The instant is past; what comes now is not in it.
  while (authority.issuer.log.log.head().size === atInstant) await issue(authority, { count: 20 })
  await writeBackupFile(file(), lines)
  over.abort()
  await Promise.all(load)
  await authority.publisher.publish()
  await follower.settle()
  const { origin } = authority.issuer.log
  const { size } = authority.issuer.log.log.head()
  assert.ok((await readdir(placesIn(folder).folder)).every((name) => !name.includes('snapshot')))

  await lose()
  const restored = await restore()
  const [fate] = restored.fates
  assert.ok(
    fate && fate.size > early.length && fate.size <= atInstant && fate.size < size,
    JSON.stringify(fate),
  )
  assert.deepEqual([fate.origin, fate.signed, fate.fate], [origin, size, 'closes'])
  assert.ok(restored.entries > early.length)

  authority = await open()
  assert.equal(authority.issuer.log.origin, fate.next)
  follower.follow(authority)
  const { tokens } = await issue(authority, { count: 2 })
  await authority.publisher.publish()
  await follower.settle()
  assert.ok([...early, ...handed, ...tokens].every((token) => follower.holds(token)))
})

test('says which log is opened next, as it then is', async () => {
  for (const [name, act] of [
    ['nothing since', async () => {}],
    ['tokens since', async (authority: Authority) => void (await issue(authority))],
    ['a rotation since', async (authority: Authority) => void (await authority.rotate(issuing))],
    [
      'two rotations and tokens since',
      async (authority: Authority) => {
        await authority.rotate(issuing)
        await issue(authority)
        await authority.rotate(issuing)
        await issue(authority)
      },
    ],
    ['marks lost', async () => {}],
  ] as const) {
    await rm(folder, { recursive: true })
    let authority = await open()
    await issue(authority, { count: 3 })
    const { origin } = authority.issuer.log
    await backUp(authority)
    await act(authority)
    await lose()
    if (name === 'marks lost') await rm(placesIn(folder).highWaterFolder, { recursive: true })
    const { fates, hasMarks } = await restore()
    const [fate] = fates
    assert.equal(hasMarks, name !== 'marks lost', name)
    // Nothing is added to a log that was rotated away from: the restored store goes back to it.
    const closes = name === 'tokens since' || name === 'marks lost'
    assert.equal(fate?.fate, closes ? 'closes' : 'continues', name)
    authority = await open()
    assert.equal(authority.issuer.log.origin, fate?.next ?? origin, name)
    await stop()
  }
})

const builderKeys = [generatePrivateKey('ML-DSA-65'), generatePrivateKey('Ed25519')]
const builder: BuilderOrder = {
  id: 'https://ci.acme.example/release',
  keys: builderKeys.map(({ publicKey }) => publicKey),
  slsaLevel: 3,
}

async function attest(authority: Authority, name: string): Promise<string> {
  const payload = buildProvenance({
    artifacts: [{ name, build: sha256(new TextEncoder().encode(name)) }],
    builderId: builder.id,
    buildType: 'https://ci.acme.example/npm',
  })
  const envelope = formatEnvelope(await signStatement(payload, builderKeys))
  return (await authority.registry.register(envelope)).registered.build
}

test('brings back attestations, revocations also of after it, and the operators', async () => {
  const builders = [builder]
  let authority = await open({ builders })
  const served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
  const credential = (await readFile(served.firstAdminFile ?? '', 'utf8')).trim()
  const build = await attest(authority, 'kept')
  await authority.revoke({ kind: 'identity', value: `${td}/ns/prod/sa/one`, reason: 'stolen' })
  await backUp(authority)
  await authority.revoke({ kind: 'identity', value: `${td}/ns/prod/sa/two`, reason: 'stolen' })
  await served.close()
  await lose()
  const restored = await restore()
  assert.deepEqual(
    [restored.attestations, restored.manifest.revocations, restored.revocationsBeside],
    [1, 1, 1],
  )
  authority = await open({ builders })
  assert.equal(authority.revocations.epoch, 2)
  assert.equal((await authority.registry.list(build)).length, 1)
  const again = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
  assert.equal(again.firstAdminFile, undefined)
  const headers = { authorization: `Bearer ${credential}` }
  const { status } = await fetch(`${again.bound[0]?.url}/v1/keys`, { headers })
  await again.close()
  assert.equal(status, 200)
})

test('holds no private key, and no mark', async () => {
  const authority = await open()
  await issue(authority)
  await backUp(authority)
  const text = gunzipSync(await readFile(file())).toString()
  // Not even sealed, and not the passphrase.
  const { custodyFolder } = placesIn(folder)
  const names = await readdir(custodyFolder)
  assert.ok(names.length > 3)
  for (const file of [...names.map((name) => join(custodyFolder, name)), `${custodyFolder}.passphrase`]) {
    const secret =
      /"sealed":"([^"]+)"/.exec(await readFile(file, 'utf8'))?.[1] ?? (await readFile(file, 'utf8')).trim()
    assert.ok(secret.length > 20 && !text.includes(secret), file)
  }
  assert.ok(!/"counter":\d+,"marks"/.test(text))
})

test('refuses to write over anything, and to work beside an authority that runs', async () => {
  const authority = await open()
  await backUp(authority)
  await assert.rejects(restore(), refused('QIP_AUTHORITY_STORE_OCCUPIED'))
  const elsewhere = join(folder, 'elsewhere')
  await assert.rejects(restore({ folder: elsewhere }), refused('QIP_AUTHORITY_DATA_LOCKED'))
  // A rehearsal may.
  await restore({ folder: elsewhere, dryRun: true })
  assert.deepEqual(await readdir(elsewhere), [])
})

test('refuses a backup of another trust domain, and leaves nothing behind', async () => {
  await backUp(await open())
  await lose()
  await assert.rejects(
    restore({ trustDomain: 'spiffe://other.example' }),
    refused('QIP_AUTHORITY_DATA_FOREIGN'),
  )
  assert.deepEqual(await readdir(placesIn(folder).folder), [])
})

/** Changes the text of a backup, and makes the digests of it good again where that is asked for. */
async function tamper(change: (lines: string[]) => string[]): Promise<void> {
  const lines = gunzipSync(await readFile(file()))
    .toString()
    .trimEnd()
    .split('\n')
  await writeFile(file(), gzipSync(`${change(lines).join('\n')}\n`))
}

const rowAfter = (lines: readonly string[], table: string): number =>
  lines.findIndex((line) => line.startsWith(`{"table":"${table}"`)) + 1

test('finds out whatever is wrong with a file, before anything is there', async () => {
  const authority = await open()
  await issue(authority, { count: 40 })
  await authority.revoke({ kind: 'identity', value: `${td}/ns/prod/sa/one`, reason: 'stolen' })
  await backUp(authority)
  const whole = await readFile(file())
  await lose()
  const cases: readonly (readonly [string, () => Promise<unknown>, RegExp])[] = [
    ['cut off', () => truncate(file(), Math.floor(whole.length / 2)), /cannot be read|end is missing/],
    ['no gzip', () => writeFile(file(), 'a backup'), /cannot be read/],
    ['empty', () => writeFile(file(), gzipSync('')), /end is missing/],
    [
      'a row gone',
      () => tamper((lines) => lines.toSpliced(rowAfter(lines, 'keys'), 1)),
      /table keys has other rows/,
    ],
    ['a row twice', () => tamper((lines) => lines.toSpliced(2, 0, lines[2] ?? '')), /UNIQUE|has other rows/],
    [
      'a table gone',
      () => tamper((lines) => lines.toSpliced(rowAfter(lines, 'revocations') - 1, 2)),
      /table revocations has other rows/,
    ],
    ['no end', () => tamper((lines) => lines.slice(0, -1)), /its end is missing/],
    ['more behind the end', () => tamper((lines) => [...lines, '[1]']), /behind its end/],
    [
      'a foreign table',
      () => tamper((lines) => lines.toSpliced(1, 0, '{"table":"sqlite_master","columns":["a"]}')),
      /no table sqlite_master/,
    ],
    [
      'a name that is none',
      () => tamper((lines) => lines.toSpliced(1, 0, '{"table":"keys; DROP TABLE keys","columns":["a"]}')),
      /line 2/,
    ],
  ]
  for (const [name, spoil, message] of cases) {
    await writeFile(file(), whole)
    await spoil()
    await assert.rejects(
      restore(),
      (error) => {
        assert.ok(isQipError(error), `${name}: ${String(error)}`)
        assert.match(error.message, message, name)
        return true
      },
      name,
    )
    assert.deepEqual(await readdir(placesIn(folder).folder), [], name)
  }
  await writeFile(file(), whole)
  await restore()
})

test('hashes every log again: a backup that was changed together with its digests is found out', async () => {
  const authority = await open()
  await issue(authority, { count: 40 })
  // Before the backup, so that its digests are good.
  await authority.store.sql.transact([
    { sql: 'UPDATE log_entries SET data = ? WHERE first = 1', params: [new Uint8Array(40 * 40)] },
  ])
  await backUp(authority)
  await lose()
  await assert.rejects(
    restore(),
    refused('QIP_AUTHORITY_BACKUP_DAMAGED', /log acme.example\/tokens\/1 is not whole/),
  )
  assert.deepEqual(await readdir(placesIn(folder).folder), [])
})

test('a backup of version 1 is restored as it is, and migrated when it is opened', async () => {
  await layOutVersion1(folder)
  await writeBackupFile(file(), backupOfFolder(placesIn(folder).folder, Date.now()))
  await lose()
  const { header, fates } = await restore()
  assert.deepEqual([header.dataVersion, fates.map(({ fate }) => fate)], [1, ['continues', 'continues']])
  const authority = await open()
  const { tokens } = await issue(authority)
  assert.ok(parseMerkleToken(tokens[0] ?? '').index > 20)
})

test('sealed keys open with their passphrase alone, into an empty folder alone', async () => {
  const { custodyFolder } = placesIn(folder)
  await (await openIn(folder)).close()
  const passphrase = 'correct horse battery staple'
  const sealed = await sealKeys(custodyFolder, { passphrase, trustDomain: td, madeMs: 1 })
  for (const name of await readdir(custodyFolder)) assert.ok(!sealed.includes(name.slice(0, 12)))
  const keys = await openKeys(sealed, passphrase)
  await assert.rejects(restoreKeys(custodyFolder, keys), refused('QIP_AUTHORITY_STORE_OCCUPIED'))
  await rm(custodyFolder, { recursive: true })
  await rm(`${custodyFolder}.passphrase`)
  await restoreKeys(custodyFolder, keys)
  await (await openIn(folder)).close()
  await assert.rejects(openKeys(sealed, 'another passphrase'), refused('QIP_AUTHORITY_BACKUP_DAMAGED'))
  const moved = sealed.replace('"madeMs":1', '"madeMs":2')
  await assert.rejects(openKeys(moved, passphrase), refused('QIP_AUTHORITY_BACKUP_DAMAGED'))
  const short = sealKeys(custodyFolder, { passphrase: 'short', trustDomain: td, madeMs: 1 })
  await assert.rejects(short, refused('QIP_AUTHORITY_BACKUP_REFUSED'))
})
