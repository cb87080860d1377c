import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { isQipError } from '@quantum-ip/base'
import { TrustStore } from '@quantum-ip/trust'
import {
  type FollowerEvent,
  openTransport,
  openTrustFollower,
  type TrustFollower,
  type TrustFollowerOptions,
} from '../src/index.ts'
import { TestAuthority } from './support/authority.ts'
import { connect, member } from './support/client.ts'
import { RecordedDomain } from './support/domain.ts'
import { until } from './support/until.ts'

// The authority of these tests is a small HTTP server over a real trust domain in memory: every document is signed.

const timing = {
  pollMs: 40,
  reconnectMs: 5,
  reconnectMaxMs: 60,
  feedIdleMs: 2_000,
  gapJitterMs: 1,
  gapAfterMs: 0,
  snapshotMs: 10,
  acknowledgeMs: 10,
}

interface Scene {
  readonly domain: RecordedDomain
  readonly authority: TestAuthority
  readonly events: FollowerEvent[]
  readonly store: TrustStore
  readonly follow: (options?: Partial<TrustFollowerOptions>) => Promise<TrustFollower>
  readonly seen: (kind: FollowerEvent['kind']) => number
  readonly errorOf: (kind: FollowerEvent['kind']) => string
}

type Test = { after: (done: () => Promise<void>) => void }

async function open(t: Test, given?: RecordedDomain): Promise<Scene> {
  const domain = given ?? (await RecordedDomain.open())
  const authority = new TestAuthority(domain)
  await authority.listen()
  const transport = connect(authority, { attemptsMax: 1 })
  const session = member(authority, transport)
  const events: FollowerEvent[] = []
  const store = storeOf(domain)
  const followers: TrustFollower[] = []
  t.after(async () => {
    await Promise.all(followers.map((follower) => follower.close()))
    await transport.close()
    await authority[Symbol.asyncDispose]()
  })
  return {
    domain,
    authority,
    events,
    store,
    follow: async (options = {}) => {
      const follower = await openTrustFollower({
        session,
        store,
        point: 'gateway-1',
        clock: domain.clock,
        onEvent: (event) => events.push(event),
        ...options,
        timing: { ...timing, ...options.timing },
      })
      followers.push(follower)
      return follower
    },
    seen: (kind) => events.filter((event) => event.kind === kind).length,
    errorOf: (kind) => {
      const event = events.findLast((event) => event.kind === kind)
      return event !== undefined && 'error' in event ? event.error.code : ''
    },
  }
}

function storeOf(domain: RecordedDomain): TrustStore {
  return new TrustStore({ td: domain.td, pins: domain.pins })
}

const holds = (store: TrustStore, domain: RecordedDomain) => store.state?.seq === domain.current.seq

/** Whether the store knows the head of a token. */
function knows(
  store: TrustStore,
  token: { log: string; keyId: number; start: number; end: number },
): boolean {
  return store.headFor(token.log, token.keyId, token) !== undefined
}

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'qip-snapshot-'))
  // Hooks run in this order: a follower that still writes into it is closed after.
  t.after(() => rm(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

test('begins with the history and goes on with the feed', async (t) => {
  const { domain, authority, store, follow, seen } = await open(t)
  await domain.advance(600_000)
  const before = await domain.issueOne()
  await domain.revoke({ kind: 'identity', value: `${domain.td}/ns/prod/sa/gone` })
  const follower = await follow()
  assert.ok(holds(store, domain))
  assert.ok(knows(store, before))
  assert.equal(store.epoch, 1)
  assert.equal(authority.received.find(({ path }) => path === '/v1/history')?.query.get('lifetime'), '3600')
  await until('the feed is open', () => follower.status().mode === 'feed')
  const after = await domain.issueOne()
  await domain.revoke({ kind: 'build', value: 'ab'.repeat(32) })
  await until('the feed brought it', () => holds(store, domain))
  assert.ok(knows(store, after))
  assert.equal(store.epoch, 2)
  const { ageMs, staleness, seq, caughtUp, feedsLost, authority: address } = follower.status()
  assert.deepEqual(
    { ageMs, staleness, seq, caughtUp, feedsLost, address },
    {
      ageMs: 0,
      staleness: undefined,
      seq: store.state?.seq,
      caughtUp: 1,
      feedsLost: 0,
      address: authority.url,
    },
  )
  assert.equal(seen('gap'), 0)
  domain.clock.advance(301_000)
  assert.equal(follower.status().staleness, 'state_old')
})

test('what the feed brought verifies tokens', async (t) => {
  const { domain, store, follow } = await open(t)
  const follower = await follow()
  await until('the feed is open', () => follower.status().mode === 'feed')
  const token = await domain.issueOne()
  await until('the feed brought it', () => holds(store, domain))
  const verdict = await domain.verifier({ trust: store }).verify(domain.input(token.text))
  assert.equal(verdict.reason, 'ok')
})

test('takes new keys from the feed, and from the authority where the feed does not bring them', async (t) => {
  const { domain, authority, store, follow, seen } = await open(t)
  const follower = await follow()
  await until('the feed is open', () => follower.status().mode === 'feed')
  await domain.rotate()
  await until('the feed brought it', () => holds(store, domain))
  assert.equal(store.bundle?.sequence, 2)
  assert.equal(authority.count('/v1/bundle'), 0)
  // A state that rests on a bundle that was not sent.
  await domain.publishBundle()
  const steps = domain.steps.length
  await domain.publish()
  assert.equal(domain.steps.length, steps + 1)
  await until('it was asked for', () => holds(store, domain))
  assert.equal(store.bundle?.sequence, 3)
  assert.equal(seen('feed_lost'), 0)
})

for (const resetEvent of ['reset', 'gap']) {
  test(`asks for the history when the feed begins anew with an event \`${resetEvent}\``, async (t) => {
    const { domain, authority, store, follow, seen } = await open(t)
    authority.resetEvent = resetEvent
    const follower = await follow()
    await until('the feed is open', () => follower.status().mode === 'feed')
    await until('it heard that the feed begins anew', () => seen('gap') === 1 && seen('caught_up') === 2)
    authority.isFeedMuted = true
    const missed = await domain.issueOne()
    authority.isFeedMuted = false
    authority.dropFeeds()
    authority.forgetFeed()
    await until('it has the heads', () => knows(store, missed))
    assert.equal(seen('gap'), 2)
    // Only what is missing is asked for.
    assert.equal(
      authority.received.findLast(({ path }) => path === '/v1/history')?.query.get('lifetime'),
      '5',
    )
  })
}

test('closes a gap in the feed by the history, on the same connection', async (t) => {
  const { domain, authority, store, follow, seen } = await open(t)
  const follower = await follow()
  await until('the feed is open', () => follower.status().mode === 'feed')
  await until('the first gap is closed', () => follower.status().caughtUp === 2)
  authority.isFeedMuted = true
  const missed = await domain.issueOne()
  await domain.revoke({ kind: 'build', value: 'ab'.repeat(32) })
  authority.isFeedMuted = false
  const next = await domain.issueOne()
  await until('the gap is closed', () => holds(store, domain))
  assert.ok(knows(store, missed) && knows(store, next))
  assert.equal(store.epoch, 1)
  assert.equal(seen('feed_opened'), 1)
  assert.equal(seen('feed_lost'), 0)
  // A state without heads in between is none that anybody misses.
  authority.isFeedMuted = true
  await domain.publish()
  authority.isFeedMuted = false
  const gaps = seen('gap')
  await domain.publish()
  await until('the next state came', () => holds(store, domain))
  assert.equal(seen('gap'), gaps)
})

test('a feed that leaves out states again and again is given up', async (t) => {
  const { domain, authority, store, follow, seen } = await open(t)
  const follower = await follow()
  await until('the feed is open', () => follower.status().mode === 'feed')
  await until('the first gap is closed', () => follower.status().caughtUp === 2)
  for (let i = 0; i < 3; i++) {
    authority.isFeedMuted = true
    await domain.issueOne()
    authority.isFeedMuted = false
    await domain.issueOne()
    await until('the gap is closed', () => holds(store, domain))
  }
  await until('the feed is given up', () => seen('feed_lost') === 1)
  await domain.issueOne()
  await until('it follows again', () => holds(store, domain))
})

test('survives a restart of the authority', async (t) => {
  const { domain, authority, store, follow, seen } = await open(t)
  const follower = await follow()
  await until('the feed is open', () => follower.status().mode === 'feed')
  for (let round = 1; round <= 3; round++) {
    await authority.restart()
    const token = await domain.issueOne()
    await until('it follows again', () => knows(store, token))
    await until('the feed is open again', () => authority.feeds === 1 && follower.status().mode === 'feed')
    assert.ok(seen('feed_lost') >= round)
  }
  const token = await domain.issueOne()
  await until('the feed brought it', () => knows(store, token))
})

test('keeps what it holds while the authority is away, and says how old it is', async (t) => {
  const { domain, authority, store, follow, seen } = await open(t)
  const follower = await follow()
  const { seq } = store.state ?? {}
  const port = await authority.stop()
  await until('it polls', () => seen('poll_failed') > 1)
  assert.equal(follower.status().mode, 'polling')
  domain.clock.advance(400_000)
  assert.equal(store.state?.seq, seq)
  assert.deepEqual([follower.status().ageMs, follower.status().staleness], [400_000, 'state_old'])
  await authority.listen({ port })
  await domain.publish()
  await until('it follows again', () => follower.status().staleness === undefined)
})

test('opens the feed again where it stopped, and misses nothing', async (t) => {
  const { domain, authority, store, follow, seen } = await open(t)
  await domain.publish()
  const follower = await follow()
  await until('the feed is open', () => follower.status().mode === 'feed' && authority.feeds === 1)
  await domain.publish()
  await until('the feed brought it', () => holds(store, domain))
  const { seq } = domain.current
  authority.dropFeeds()
  const token = await domain.issueOne()
  await until('it has the heads', () => knows(store, token))
  await until('the feed is open again', () => authority.feeds === 1)
  assert.equal(
    authority.received.findLast(({ path }) => path === '/v1/feed')?.headers['last-event-id'],
    String(seq),
  )
  assert.equal(seen('feed_lost'), 1)
  assert.equal(authority.count('/v1/history'), 1)
})

test('a feed that brings nothing but comments counts as lost', async (t) => {
  const { authority, follow, seen } = await open(t)
  const follower = await follow({ timing: { feedIdleMs: 60 } })
  await until('the feed is open', () => follower.status().mode === 'feed')
  const timer = setInterval(() => authority.send(':\n\n'), 5)
  await until('the feed is lost', () => seen('feed_lost') === 1)
  clearInterval(timer)
})

test('polls the state while no feed can be had', async (t) => {
  const { domain, authority, store, follow, seen } = await open(t)
  const refuse = () => authority.fault('/v1/feed', ...Array.from({ length: 1_000 }, () => 'drop' as const))
  refuse()
  const follower = await follow()
  await until('it polls', () => follower.status().mode === 'polling')
  for (let i = 0; i < 3; i++) {
    const token = await domain.issueOne()
    await domain.revoke({ kind: 'identity', value: `${domain.web}-${i}` })
    await until('the poll brought it', () => holds(store, domain))
    assert.ok(knows(store, token))
  }
  await domain.rotate()
  await until('the poll brought the keys', () => store.bundle?.sequence === 2 && holds(store, domain))
  assert.equal(seen('feed_opened'), 0)
  authority.faults.delete('/v1/feed')
  await until('the feed is open', () => follower.status().mode === 'feed')
})

test('accepts a gap in the heads when no history can be had, but none in the revocations', async (t) => {
  const { domain, authority, store, follow, seen } = await open(t)
  const follower = await follow()
  const refused = authority.problem(403, 'QIP_HTTP_ROLE', 'no')
  authority.fault('/v1/feed', ...Array.from({ length: 1_000 }, () => 'drop' as const))
  authority.fault('/v1/history', ...Array.from({ length: 1_000 }, () => refused))
  authority.dropFeeds()
  const missed = await domain.issueOne()
  domain.clock.advance(1_000)
  await domain.publish()
  await until('the gap is accepted', () => holds(store, domain) && seen('gap_accepted') > 0)
  assert.ok(!knows(store, missed))
  assert.ok(store.headsCompleteFrom(missed.log) >= missed.end)
  await domain.revoke({ kind: 'identity', value: domain.web })
  const failed = seen('poll_failed')
  await until('it polled in vain', () => seen('poll_failed') > failed + 2)
  assert.equal(store.epoch, 0)
  assert.ok(!holds(store, domain))
  authority.faults.clear()
  await until('the revocation is there', () => store.epoch === 1)
  assert.equal(follower.status().epoch, 1)
})

test('a feed that says something else than the truth is left, and nothing of it is believed', async (t) => {
  const forger = await RecordedDomain.open({ seed: 'forger' })
  await forger.publish()
  await forger.revoke({ kind: 'identity', value: forger.web })
  const { domain, authority, store, follow, seen, errorOf } = await open(t)
  const follower = await follow()
  await until('the feed is open', () => follower.status().mode === 'feed' && authority.feeds === 1)
  const state = JSON.stringify(forger.current.state)
  const cases: [data: string, code: string][] = [
    [`{"state":${state},"revocations":[]}`, 'QIP_TRUST_SIGNATURES_INSUFFICIENT'],
    ['{"state":"{}"}', 'QIP_TRUST_DOCUMENT_MALFORMED'],
    ['{"state":7}', 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'],
    ['{', 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'],
    ['{"state":"","revocations":[7]}', 'QIP_CLIENT_AUTHORITY_UNAVAILABLE'],
  ]
  for (const [data, code] of cases) {
    const lost = seen('feed_lost')
    authority.send(`event: state\ndata: ${data}\n\n`)
    await until('the feed is left', () => seen('feed_lost') === lost + 1)
    assert.equal(errorOf('feed_lost'), code)
    await until('the feed is open again', () => authority.feeds === 1 && follower.status().mode === 'feed')
    await domain.publish()
    await until('it follows again', () => holds(store, domain))
  }
  assert.equal(store.epoch, 0)
})

test('what later versions add to the feed is passed over, and an old state, too', async (t) => {
  const { domain, authority, store, follow, seen } = await open(t)
  const old = domain.current
  await domain.publish()
  const follower = await follow()
  await until('the feed is open', () => follower.status().mode === 'feed' && authority.feeds === 1)
  authority.send('event: weather\ndata: rain\n\n')
  authority.send(`event: state\ndata: {"state":${JSON.stringify(old.state)},"mood":"good"}\n\n`)
  await domain.publish()
  await until('it follows', () => holds(store, domain))
  assert.equal(seen('feed_lost'), 0)
})

test('acknowledges what it holds, and new keys and revocations at once', async (t) => {
  const { domain, authority, follow, store } = await open(t)
  const follower = await follow({ region: 'eu-1' })
  await until('it acknowledged', () => follower.status().acknowledgedSeq === store.state?.seq)
  const last = () =>
    JSON.parse(authority.received.findLast(({ path }) => path.endsWith('acknowledgements'))?.body ?? '')
  assert.deepEqual(last(), {
    seq: store.state?.seq,
    epoch: 0,
    bundleSequence: 1,
    point: 'gateway-1',
    region: 'eu-1',
  })
  const count = authority.count('/v1/fleet/acknowledgements')
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(authority.count('/v1/fleet/acknowledgements'), count)
  await domain.revoke({ kind: 'identity', value: domain.web })
  await until('it acknowledged the revocation', () => last().epoch === 1)
})

test('verifies a probe that an acknowledgement is answered with, and says at once what it found', async (t) => {
  const { authority, follow } = await open(t)
  const verified: string[] = []
  authority.probe = { id: '7/waiting', token: 'qip1.x', audience: 'spiffe://acme.example/quantum-ip/probe' }
  await follow({
    kind: 'gateway',
    verifyProbe({ token, audience }) {
      verified.push(`${token} for ${audience}`)
      return 'key_unknown'
    },
  })
  const told = () =>
    authority.received
      .filter(({ path }) => path.endsWith('acknowledgements'))
      .map(({ body }) => JSON.parse(body) as Record<string, unknown>)
  await until('it told', () => told().some(({ probe }) => probe !== undefined))
  assert.equal(verified[0], 'qip1.x for spiffe://acme.example/quantum-ip/probe')
  const [first] = told()
  assert.deepEqual([first?.['kind'], first?.['probes'], first?.['probe']], ['gateway', true, undefined])
  const report = told().find(({ probe }) => probe !== undefined)
  assert.deepEqual(report?.['probe'], { id: '7/waiting', reason: 'key_unknown' })
})

test('a follower that stops says so', async (t) => {
  const { authority, follow } = await open(t)
  const follower = await follow()
  await until('it acknowledged', () => follower.status().acknowledgedSeq !== undefined)
  await follower.close()
  const left = authority.received.filter(({ path }) => path === '/v1/fleet/departures')
  assert.deepEqual(
    left.map(({ body }) => JSON.parse(body) as unknown),
    [{ point: 'gateway-1' }],
  )
})

test('an acknowledgement that fails is told, and nothing else', async (t) => {
  const { authority, follow, seen } = await open(t)
  authority.fault('/v1/fleet/acknowledgements', authority.problem(503, 'QIP_X', 'no'))
  const follower = await follow()
  await until('it failed', () => seen('acknowledgement_failed') === 1)
  await until('it was sent again', () => follower.status().acknowledgedSeq !== undefined)
  assert.equal(seen('feed_lost'), 0)
})

test('a restart needs no authority: the snapshot on disk says the same', async (t) => {
  const file = join(await folder(t), 'deeper', 'trust.snapshot')
  const { domain, authority, follow, seen, events } = await open(t)
  const token = await domain.issueOne()
  await domain.revoke({ kind: 'build', value: 'ab'.repeat(32) })
  const follower = await follow({ snapshotFile: file })
  await until('a snapshot is written', () => seen('snapshot_written') > 0)
  const late = await domain.issueOne()
  await until('the feed brought it', () => follower.status().seq === domain.current.seq)
  await follower.close()
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(join(file, '..')), ['trust.snapshot'])
  await authority.stop()
  const store = storeOf(domain)
  const again = await follow({ snapshotFile: file, store })
  assert.equal(again.status().seq, domain.current.seq)
  assert.equal(again.status().staleness, undefined)
  assert.equal(store.epoch, 1)
  assert.ok(knows(store, token) && knows(store, late))
  assert.deepEqual(
    events.filter(({ kind }) => kind === 'snapshot_loaded'),
    [{ kind: 'snapshot_loaded', seq: domain.current.seq }],
  )
  assert.equal(seen('feed_lost'), 1)
})

test('a damaged snapshot is told and not used', async (t) => {
  const file = join(await folder(t), 'trust.snapshot')
  const scene = await open(t)
  const { domain } = scene
  await domain.issueOne()
  const follower = await scene.follow({ snapshotFile: file })
  await follower.close()
  const good = await readFile(file)
  const flipped = Buffer.from(good)
  flipped[good.length - 40] = (flipped[good.length - 40] as number) ^ 1
  const foreign = await RecordedDomain.open({ seed: 'another domain' })
  const cases = [
    good.subarray(0, good.length - 1),
    flipped,
    Buffer.concat([good, good]),
    Buffer.from('nothing of the kind'),
    Buffer.alloc(0),
    Buffer.from(foreign.store.exportSnapshot()),
  ]
  for (const [index, bytes] of cases.entries()) {
    await writeFile(file, bytes)
    const store = storeOf(domain)
    const again = await scene.follow({ snapshotFile: file, store })
    assert.equal(scene.errorOf('snapshot_refused'), 'QIP_CLIENT_SNAPSHOT_REFUSED', `case ${index}`)
    assert.equal(scene.seen('snapshot_refused'), index + 1)
    assert.ok(holds(store, domain), `case ${index}`)
    await again.close()
  }
  // It was replaced by a good one when the last follower was closed.
  const store = storeOf(domain)
  await store.loadSnapshot(await readFile(file), domain.clock.now())
  assert.ok(holds(store, domain))
})

test('a snapshot that cannot be written is told, and following goes on', async (t) => {
  const path = await folder(t)
  await writeFile(join(path, 'file'), '')
  const { domain, store, follow, seen, errorOf } = await open(t)
  const follower = await follow({ snapshotFile: join(path, 'file', 'trust.snapshot') })
  await until('it failed', () => seen('snapshot_unwritable') > 0)
  assert.equal(errorOf('snapshot_unwritable'), 'QIP_CLIENT_SNAPSHOT_UNWRITABLE')
  await until('the feed is open', () => follower.status().mode === 'feed')
  await domain.publish()
  await until('it follows', () => holds(store, domain))
})

test('begins without an authority, and follows when one is there', async (t) => {
  const { domain, authority, store, follow, seen } = await open(t)
  const port = await authority.stop()
  const follower = await follow()
  assert.equal(follower.status().staleness, 'no_root')
  assert.equal(follower.status().ageMs, Number.POSITIVE_INFINITY)
  assert.equal(seen('feed_lost'), 1)
  await authority.listen({ port })
  await until('it follows', () => holds(store, domain))
})

test('follows at another address where one is away', async (t) => {
  const { domain, authority, store, follow } = await open(t)
  const transport = openTransport({ url: ['http://127.0.0.1:1', authority.url], timeoutMs: 2_000 })
  t.after(() => transport.close())
  const follower = await follow({ session: member(authority, transport) })
  assert.ok(holds(store, domain))
  assert.equal(follower.status().authority, authority.url)
})

test('a follower whose state is older than the history reaches begins with that history’s base', async (t) => {
  const { domain, authority, store, follow } = await open(t)
  const follower = await follow()
  await until('the feed is open', () => follower.status().mode === 'feed')
  const port = await authority.stop()
  const lost = await domain.issueOne()
  // The authority keeps two hours; this one was away for three.
  await domain.advance(3 * 3_600_000)
  const steps = domain.steps.length
  const kept = await domain.issueOne()
  domain.steps.splice(0, steps - 1)
  await authority.listen({ port })
  await until('it follows again', () => holds(store, domain))
  assert.ok(knows(store, kept))
  assert.ok(!knows(store, lost))
  assert.ok(store.headsCompleteFrom(lost.log) >= lost.end)
})

test('ends, whatever it is doing, and twice does no harm', async (t) => {
  const { authority, follow } = await open(t)
  authority.fault('/v1/history', 'hang')
  const opening = follow()
  await until('it asks for the history', () => authority.count('/v1/history') === 1)
  authority.dropFeeds()
  await authority.stop()
  const follower = await opening
  await follower.close()
  await follower.close()
  assert.equal(follower.status().mode, 'closed')
})

test('tells no secret of its session, whatever goes wrong', async (t) => {
  const { authority, follow, events } = await open(t)
  const transport = connect(authority, { attemptsMax: 1 })
  t.after(() => transport.close())
  const session = member(authority, transport)
  authority.sessions.clear()
  authority.fault(
    '/v1/feed',
    authority.problem(400, 'QIP_X', `you sent QIP-Session id="${session.admission.id}"`),
  )
  const follower = await follow({ session })
  await until('it failed', () => events.length > 2)
  await follower.close()
  const shown = inspect([events, follower, session], { depth: 12, showHidden: false })
  const { key } = session.admission
  for (const secret of [
    'QIP-Session id',
    Buffer.from(key).toString('base64url'),
    Buffer.from(key).toString('hex'),
  ]) {
    assert.ok(!shown.includes(secret), secret)
  }
  assert.ok(
    events.some((event) => 'error' in event && isQipError(event.error, 'QIP_CLIENT_AUTHORITY_REFUSED')),
  )
})
