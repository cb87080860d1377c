import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { sha256, type Signer } from '@quantum-ip/crypto'
import { custodySigner, openFileCustody } from '@quantum-ip/custody'
import { signSubtree } from '@quantum-ip/log'
import { formatStaple, parseMerkleToken, parseStaple } from '@quantum-ip/token'
import { type Authority, type AuthorityServer, createJoinToken, serveAuthority } from '../src/index.ts'
import { Decisions } from '../src/decisions/decisions.ts'
import { admit, type ClientSession, issue, issuing, openIn, placesIn, post, td } from './support.ts'

let folder = ''
let authority: Authority
let served: AuthorityServer
let url = ''
let member: ClientSession

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qip-detection-'))
  authority = await openIn(folder)
  served = await serveAuthority({ authority, listeners: [{ host: '127.0.0.1', port: 0 }] })
  url = served.bound[0]?.url ?? ''
})

after(async () => {
  await served.close()
  await authority.close()
  await rm(folder, { recursive: true })
})

let members = 0

async function join1(role: 'verifier' | 'workload'): Promise<ClientSession> {
  const { store, clock, random } = authority
  const { token } = await createJoinToken(
    { sql: store.sql, clock, random, td },
    { sid: `${td}/ns/prod/sa/member-${++members}`, builds: [], role, ttlS: 60 },
  )
  return admit(url, token)
}

beforeEach(async () => {
  member = await join1('verifier')
})

/** The issuing key as a thief has it: out of the files of its folder, and the passphrase. */
async function stolen(kid: string): Promise<Signer> {
  const custody = await openFileCustody({ folder: placesIn(folder).custodyFolder })
  return custodySigner(custody, kid)
}

interface Place {
  readonly start: number
  readonly end: number
  readonly hash?: Uint8Array
}

/** A head that the log does not have, well signed. */
async function forge({ start, end, hash = sha256(new Uint8Array([start, end])) }: Place): Promise<string> {
  const { origin, cosigner, kid } = authority.issuer.log
  const signer = await stolen(kid)
  const sig = await signSubtree({ origin, start, end, hash }, { name: cosigner, signer })
  return formatStaple([{ origin, start, end, hash, sigs: [sig] }])
}

async function report(...reports: object[]): Promise<readonly string[]> {
  const answer = await post(url, '/v1/reports', { body: { point: 'edge-1', reports }, session: member })
  assert.equal(answer.status, 200, answer.text)
  return answer.body['outcomes'] as string[]
}

const unlogged = (head: string) => ({ kind: 'head_unlogged', head, decisions: 3 })
const newest = async () => (await authority.watch.events.list({ limit: 1_000 })).at(-1)

test('knows its own heads, listed or not, and does nothing about them', async () => {
  const { heads } = await issue(authority)
  assert.deepEqual(await report(unlogged(heads[0] ?? '')), ['known'])
  // A subtree that was never signed, of what is really in the log.
  const { origin } = authority.issuer.log
  const hash = await authority.issuer.log.log.subtreeHash({ start: 0, end: 2 })
  assert.ok(origin)
  assert.deepEqual(await report(unlogged(await forge({ start: 0, end: 2, hash }))), ['known'])
  assert.equal(await newest(), undefined)
})

test('writes over no decision that was reported before, and notes beside it that its head is in no log', async () => {
  const record = { token: { log: 'acme.example/tokens/1', index: 4 }, head: 'provisional', caller: 'shop' }
  const decision = { id: 'edge-1/once', timeMs: authority.clock.now(), reason: 'ok', record }
  await authority.decisions.add([decision])
  const other = { ...record, head: 'unlogged', caller: 'somebody else' }
  await authority.decisions.add([{ ...decision, record: other }])
  const noted = JSON.stringify({ ...record, head: 'unlogged' })
  assert.equal(JSON.stringify(await authority.decisions.find('edge-1/once')), noted)
  const query = { log: 'acme.example/tokens/1', head: 'unlogged', limit: 10 } as const
  assert.equal(JSON.stringify((await authority.decisions.list(query)).decisions), `[${noted}]`)
  const listed = await authority.decisions.list({ limit: 10 })
  assert.ok(listed.decisions.some((each) => JSON.stringify(each) === noted))
})

test('keeps a decision that claims to be of the future no longer than others', async () => {
  let nowMs = authority.clock.now()
  const decisions = new Decisions(authority.store.sql, { now: () => nowMs }, 3_600_000)
  const record = { token: { log: 'acme.example/tokens/1', index: 5 }, head: 'unlogged' }
  const add = (id: string, aheadMs: number) =>
    decisions.add([{ id, timeMs: nowMs + aheadMs, reason: 'future', record }])
  const listed = async (sinceMs: number) =>
    (await decisions.list({ reasons: ['future'], sinceMs, limit: 10 })).decisions
  await add('edge-1/soon', 1_000)
  assert.equal((await listed(nowMs + 1_000)).length, 1, 'clocks differ a little')
  await add('edge-1/late', 10 * 365 * 24 * 3_600_000)
  assert.equal((await listed(nowMs)).length, 2)
  assert.equal((await listed(nowMs + 60_001)).length, 0)
  nowMs += 3_661_000
  await add('edge-1/next', 0)
  assert.equal((await listed(0)).length, 1)
  const of = { log: 'acme.example/tokens/1', head: 'unlogged', limit: 10, sinceMs: nowMs } as const
  assert.equal((await decisions.list(of)).decisions.length, 1)
})

test('takes nothing that is not signed by its keys for anything but junk', async () => {
  const forged = parseStaple(await forge({ start: 4_096, end: 4_097 }))[0]
  assert.ok(forged)
  const sigs = forged.sigs.map((sig) => ({ ...sig, signature: sig.signature.map((byte) => byte ^ 1) }))
  const wrong = formatStaple([{ ...forged, sigs }])
  const foreign = formatStaple([{ ...forged, origin: 'acme.example/tokens/999' }])
  assert.deepEqual(await report(unlogged(wrong), unlogged(foreign), unlogged('rubbish')), [
    'junk',
    'junk',
    'junk',
  ])
  assert.equal(await newest(), undefined)
  assert.equal(authority.revocations.epoch, 0)
})

test('revokes a key on proof that it signed what is past its log, once, and keeps the proof', async () => {
  const { kid, origin } = authority.issuer.log
  const head = await forge({ start: 4_096, end: 4_097 })
  assert.deepEqual(await report(unlogged(head)), ['proven'])
  const event = await newest()
  assert.ok(event)
  assert.deepEqual(
    [event.kind, event.severity, event.subject, event.log, event.action, event.state],
    ['head_unlogged', 'critical', kid, origin, 'done', 'open'],
  )
  assert.equal(event.proof['head'], head)
  assert.ok(authority.revocations.list().some(({ kind, value }) => kind === 'key' && value === kid))
  assert.notEqual(authority.issuer.log.kid, kid, 'another key issues')
  assert.equal((await issue(authority)).tokens.length, 1)
  const epoch = authority.revocations.epoch
  assert.deepEqual(await report(unlogged(head)), ['proven'])
  assert.equal(authority.revocations.epoch, epoch, 'not a second time')
  assert.equal((await newest())?.reports, 2)
  const steps = await authority.watch.events.steps(event.number)
  assert.deepEqual(
    steps.map(({ act }) => act),
    ['raised', 'revoked'],
  )
})

test('takes another head at a place of the log for equivocation, and shows both', async () => {
  const { kid } = authority.issuer.log
  const { tokens, heads } = await issue(authority)
  const { start, end } = parseMerkleToken(tokens[0] ?? '')
  const head = await forge({ start, end })
  assert.deepEqual(await report({ kind: 'log_equivocation', heads: [head] }), ['proven'])
  const event = await newest()
  assert.deepEqual([event?.kind, event?.subject], ['log_equivocation', kid])
  assert.deepEqual(event?.proof['heads'], [heads[0], head])
})

test('takes two signed heads for one place as proof by themselves', async () => {
  const { kid } = authority.issuer.log
  const place = { start: 8_192, end: 8_193 }
  const pair = [await forge(place), await forge({ ...place, hash: sha256(new Uint8Array(1)) })]
  assert.deepEqual(await report({ kind: 'log_equivocation', heads: pair }), ['proven'])
  const event = await newest()
  assert.deepEqual([event?.kind, event?.subject], ['log_equivocation', kid])
})

test('raises an event and revokes nothing where a lost store may explain the head', async () => {
  const { kid, origin } = authority.issuer.log
  const head = await forge({ start: 64, end: 65 })
  await authority.store.sql.transact([
    { sql: "UPDATE log_heads SET state = 'closed' WHERE origin = ?", params: [origin] },
  ])
  const epoch = authority.revocations.epoch
  assert.deepEqual(await report(unlogged(head)), ['noted'])
  assert.deepEqual([(await newest())?.severity, (await newest())?.subject], ['warning', kid])
  assert.equal(authority.revocations.epoch, epoch)
  await authority.rotate(issuing)
})

const key = (name: string, count: number) => ({ td, key: name, count })

test('tells of unknown keys that many tokens named, not of every mistake, and of no more than a few', async () => {
  const before = (await authority.watch.events.list({ limit: 1_000 })).length
  assert.deepEqual(await report({ kind: 'key_unknown', keys: [key('00000001', 9)] }), ['ignored'])
  assert.deepEqual(await report({ kind: 'key_unknown', keys: [key('00000001', 10)] }), ['noted'])
  const flood = Array.from({ length: 64 }, (_, nth) => key(`junk-${nth}`, 1_000))
  await report({ kind: 'key_unknown', keys: flood })
  const events = await authority.watch.events.list({ limit: 1_000 })
  assert.equal(events.length - before, 16)
  assert.ok(
    events.slice(before).every(({ kind, severity }) => kind === 'key_unknown' && severity === 'warning'),
  )
})

test('takes so many reports of a member and no more', async () => {
  const outcomes: string[] = []
  for (let round = 0; round < 3; round++) {
    outcomes.push(...(await report(...Array.from({ length: 16 }, () => unlogged('rubbish')))))
  }
  assert.equal(outcomes.filter((outcome) => outcome === 'shed').length, 18)
})

test('takes reports of enforcement points alone', async () => {
  const session = await join1('workload')
  const body = { point: 'edge-1', reports: [unlogged('rubbish')] }
  assert.equal((await post(url, '/v1/reports', { body, session })).status, 403)
  assert.equal((await post(url, '/v1/reports', { body })).status, 401)
})

test('leaves the key to an operator where configuration says so', async () => {
  const place = await mkdtemp(join(tmpdir(), 'qip-detection-'))
  const other = await openIn(place, { detection: { onProof: 'event' } })
  try {
    const { origin, cosigner, kid, signers } = other.issuer.log
    const at = { origin, start: 512, end: 513, hash: sha256(new Uint8Array(2)) }
    const sig = await signSubtree(at, { name: cosigner, signer: signers[0] as Signer })
    const head = formatStaple([{ ...at, sigs: [sig] }])
    const outcomes = await other.watch.reports.take({ sid: 'a', point: 'b' }, [
      { kind: 'head_unlogged', head, decisions: 0 },
    ])
    assert.deepEqual(outcomes, ['proven'])
    assert.equal(other.revocations.epoch, 0)
    assert.equal(other.issuer.log.kid, kid)
    const [event] = await other.watch.events.list({ limit: 1 })
    assert.deepEqual([event?.severity, event?.action], ['critical', 'none'])
  } finally {
    await other.close()
    await rm(place, { recursive: true })
  }
})

test('revokes on a proof that is told again once configuration says so, and not what is revoked already', async () => {
  const place = await mkdtemp(join(tmpdir(), 'qip-detection-'))
  let other = await openIn(place, { detection: { onProof: 'event' } })
  try {
    const { origin, cosigner, kid, signers } = other.issuer.log
    const at = { origin, start: 512, end: 513, hash: sha256(new Uint8Array(2)) }
    const sig = await signSubtree(at, { name: cosigner, signer: signers[0] as Signer })
    const head = formatStaple([{ ...at, sigs: [sig] }])
    const tell = () =>
      other.watch.reports.take({ sid: 'a', point: 'b' }, [{ kind: 'head_unlogged', head, decisions: 0 }])
    const again = async (onProof: 'event' | 'revoke') => {
      await other.close()
      other = await openIn(place, { detection: { onProof } })
      assert.deepEqual(await tell(), ['proven'])
      const [event] = await other.watch.events.list({ limit: 1 })
      return [event?.action, other.revocations.epoch]
    }
    await tell()
    assert.deepEqual(await again('event'), ['none', 0])
    assert.deepEqual(await again('revoke'), ['done', 1])
    assert.equal(other.revocations.list()[0]?.value, kid)
    await other.store.sql.transact([{ sql: "UPDATE security_events SET action = 'none'", params: [] }])
    assert.deepEqual(await again('revoke'), ['done', 1])
    assert.match((await other.watch.events.steps(1)).at(-1)?.note ?? '', /is revoked already/)
  } finally {
    await other.close()
    await rm(place, { recursive: true })
  }
})

test('revokes after a restart what it could not revoke before', async () => {
  const place = await mkdtemp(join(tmpdir(), 'qip-detection-'))
  let other = await openIn(place)
  try {
    const { kid } = other.issuer.log
    await other.watch.events.raise({
      kind: 'head_unlogged',
      severity: 'critical',
      subject: kid,
      log: other.issuer.log.origin,
      dedupe: `head_unlogged ${kid}`,
      proof: {},
      reportedBy: 'a member',
      action: 'due',
    })
    await other.close()
    other = await openIn(place)
    await other.maintain()
    assert.ok(other.revocations.list().some(({ value }) => value === kid))
    assert.deepEqual(await other.watch.events.due(), [])
  } finally {
    await other.close()
    await rm(place, { recursive: true })
  }
})

test('counts each signature of each key, by use, and keeps the counts', async () => {
  await issue(authority)
  await authority.maintain()
  const uses = await authority.watch.uses.list(0)
  const signed = (use: string) =>
    uses
      .filter((each) => each.use === use && each.operation === 'sign')
      .reduce((sum, { count }) => sum + count, 0)
  assert.ok(signed('qip-token') > 0)
  assert.ok(signed('qip-feed') > 0)
  assert.ok(signed('bundle') > 0)
  const { kid } = authority.issuer.log
  const of = async () =>
    (await authority.watch.uses.list(0))
      .filter((use) => use.kid === kid && use.operation === 'sign')
      .reduce((sum, { count }) => sum + count, 0)
  const before = await of()
  await issue(authority)
  await authority.maintain()
  assert.equal((await of()) - before, 1, 'one head, one signature')
})
