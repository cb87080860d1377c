import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { isQipError, parseJson } from '@quantum-ip/base'
import { generateKemKey, type KemPrivateKey, parsePrivateKemJwk } from '@quantum-ip/crypto'
import { claimsToJson, parseJwtToken, parseMerkleToken } from '@quantum-ip/token'
import { type Authority, openIssuanceRecord, type OpenedToken } from '../src/index.ts'
import { checkout, issue, issuing, openIn, placesIn, td } from './support.ts'

let folder = ''

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-records-'))
})

afterEach(() => rm(folder, { recursive: true }))

const keyFile = () => `${placesIn(folder).custodyFolder}.records.jwk`

async function custodianKey(): Promise<KemPrivateKey> {
  return parsePrivateKemJwk(parseJson(await readFile(keyFile(), 'utf8')))
}

async function open1(
  authority: Authority,
  key: KemPrivateKey,
  index: number,
): Promise<OpenedToken | undefined> {
  const { origin, number, log } = authority.issuer.log
  const record = await authority.records?.find(origin, index)
  assert.ok(record)
  return openIssuanceRecord(key, { ...record, origin, log: number, index, entry: await log.entry(index) })
}

function shown(opened: OpenedToken | undefined) {
  return opened && [opened.session, opened.form, opened.isLogged, claimsToJson(opened.claims)]
}

async function countRecords(authority: Authority) {
  const [row] = await authority.store.sql.query('SELECT COUNT(*) AS n FROM issuance_records')
  return row?.['n']
}

test('what each logged hash opens to is kept, sealed to a key that is not needed to issue', async () => {
  const authority = await openIn(folder, { jwt: true })
  try {
    const key = await custodianKey()
    assert.equal((await stat(keyFile())).mode & 0o777, 0o600)
    // The custodian took it away.
    await rm(keyFile())
    const [many, one, jwt] = await Promise.all([
      issue(authority, { count: 700 }),
      issue(authority, { oneTime: true }),
      issue(authority, { form: 'jwt' }),
    ])
    for (const text of [many.tokens[0], many.tokens[699], one.tokens[0]]) {
      const { index, claims } = parseMerkleToken(text ?? '')
      const opened = await open1(authority, key, index)
      assert.deepEqual(shown(opened), ['test', 'merkle', true, claimsToJson(claims)])
      assert.equal(opened?.claims.sub, checkout)
    }
    const { index, claims } = parseJwtToken(jwt.tokens[0] ?? '')
    assert.deepEqual(shown(await open1(authority, key, index)), ['test', 'jwt', true, claimsToJson(claims)])
  } finally {
    await authority.close()
  }
})

test('a batch of many orders is sealed in parts, and each of its tokens is found', async () => {
  const authority = await openIn(folder)
  try {
    const key = await custodianKey()
    const issued = await Promise.all(Array.from({ length: 400 }, () => issue(authority)))
    const indexes = issued.map(({ tokens }) => parseMerkleToken(tokens[0] ?? '').index)
    for (const index of indexes) assert.equal((await open1(authority, key, index))?.isLogged, true)
    const rows = await authority.store.sql.query('SELECT first, count FROM issuance_records ORDER BY first')
    assert.equal(
      rows.reduce((sum, { count }) => sum + (count as number), 0),
      400,
    )
    assert.ok(rows.length > 1)
  } finally {
    await authority.close()
  }
})

test('claims of any size are sealed, whoever else is in the batch', async () => {
  const authority = await openIn(folder)
  try {
    const key = await custodianKey()
    const audience = Array.from({ length: 8 }, (_, nth) => `${td}/ns/prod/sa/${'x'.repeat(70)}-${nth}`)
    const issued = await Promise.all(Array.from({ length: 120 }, () => issue(authority, { audience })))
    for (const { tokens } of issued) {
      const { index } = parseMerkleToken(tokens[0] ?? '')
      assert.equal((await open1(authority, key, index))?.isLogged, true)
    }
  } finally {
    await authority.close()
  }
})

test('a record opens with its key alone, at its place alone', async () => {
  const authority = await openIn(folder)
  try {
    const { tokens } = await issue(authority, { count: 2 })
    const { index } = parseMerkleToken(tokens[0] ?? '')
    await assert.rejects(open1(authority, generateKemKey('X-Wing'), index), (error) =>
      isQipError(error, 'QIP_CRYPTO_FIELD_REFUSED'),
    )
    const key = await custodianKey()
    const { origin, number, log } = authority.issuer.log
    const record = await authority.records?.find(origin, index)
    assert.ok(record)
    const entry = await log.entry(index + 1)
    const shifted = await openIssuanceRecord(key, { ...record, origin, log: number, index, entry })
    assert.equal(shifted?.isLogged, false)
    await assert.rejects(
      openIssuanceRecord(key, { ...record, origin: 'acme.example/tokens/9', log: 9, index, entry }),
      (error) => isQipError(error, 'QIP_CRYPTO_FIELD_REFUSED'),
    )
    assert.equal(await authority.records?.find(origin, 0), undefined, 'the null entry has none')
  } finally {
    await authority.close()
  }
})

test('records go when their retention ends, and none are kept where configuration says so', async () => {
  let nowMs = Date.now()
  const clock = { now: () => nowMs }
  const authority = await openIn(folder, { clock, keepIssuanceMs: 3_600_000 })
  try {
    await issue(authority)
    nowMs += 3_599_000
    await authority.maintain()
    assert.equal(await countRecords(authority), 1)
    nowMs += 700_000
    await authority.maintain()
    assert.equal(await countRecords(authority), 0)
  } finally {
    await authority.close()
  }
  const without = await openIn(folder, { keepIssuanceMs: 0 })
  try {
    await issue(without)
    assert.equal(without.records, undefined)
    assert.equal(await countRecords(without), 0)
  } finally {
    await without.close()
  }
})

test('a closed token log is frozen with its last checkpoint; its entries go in time, that it was there stays', async () => {
  let nowMs = Date.now()
  const clock = { now: () => nowMs }
  const dayMs = 24 * 3_600_000
  const authority = await openIn(folder, { clock, keepLogsMs: 90 * dayMs })
  try {
    await issue(authority, { count: 5 })
    const { origin } = authority.issuer.log
    await authority.rotate(issuing)
    await authority.maintain()
    assert.equal(await authority.logEnds.find(origin), undefined, 'not before it is closed')
    // Its tokens have ended, and so does its key, private half included.
    nowMs += 2 * 3_600_000
    await authority.maintain()
    const end = await authority.logEnds.find(origin)
    assert.equal(end?.size, 6)
    assert.match(end?.note ?? '', /^acme\.example\/tokens\/1\n6\n/)
    nowMs += 91 * dayMs
    await authority.logEnds.maintain()
    const entries = await authority.store.sql.query('SELECT 1 FROM log_entries WHERE origin = ?', [origin])
    assert.deepEqual(entries, [])
    const pruned = await authority.logEnds.find(origin)
    assert.deepEqual([pruned?.note, pruned?.prunedMs], [end?.note, nowMs])
  } finally {
    await authority.close()
  }
})
