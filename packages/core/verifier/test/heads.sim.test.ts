import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { formatMerkleToken, formatStaple, tokenLeafHash } from '@quantum-ip/token'
import {
  type HeadFetchOutcome,
  type HeadTuple,
  silentObserver,
  type Verdict,
  type VerifierEvent,
  type VerifierOptions,
} from '../src/index.ts'
import { createTestDomain, type TestDomain, type TestToken } from './fixture.ts'

interface Watched {
  readonly events: VerifierEvent[]
  readonly fetches: HeadFetchOutcome[]
  readonly options: Pick<VerifierOptions, 'observer'>
}

function watch(): Watched {
  const events: VerifierEvent[] = []
  const fetches: HeadFetchOutcome[] = []
  const observer = {
    ...silentObserver,
    event: (event: VerifierEvent) => events.push(event),
    headFetch: (outcome: HeadFetchOutcome) => fetches.push(outcome),
  }
  return { events, fetches, options: { observer } }
}

function source(domain: TestDomain) {
  const asked: HeadTuple[] = []
  return {
    asked,
    fetchHead: async (tuple: HeadTuple) => {
      asked.push(tuple)
      await setImmediate()
      return domain.headAnswer(tuple)
    },
  }
}

/** Another token at the same place, signed by the same key: what only a thief can make. */
async function forge(domain: TestDomain, token: TestToken): Promise<TestToken> {
  const other = await domain.issueOne({}, { publish: false })
  const leaf = tokenLeafHash({ exp: other.claims.exp, digest: other.digest })
  const { index } = token
  const head = await domain.signHead({ start: index, end: index + 1 }, leaf)
  const parts = { ...other, index, start: index, end: index + 1, path: [], head }
  return { ...parts, text: formatMerkleToken(parts), staple: formatStaple([head]) }
}

const audited = { provisionalHead: true, unanchoredHead: false }

function notesOf({ notes }: Verdict) {
  return { provisionalHead: notes.provisionalHead, unanchoredHead: notes.unanchoredHead }
}

test('counts a stapled head that no state has listed, provisionally, until one lists it', async () => {
  const domain = await createTestDomain()
  const { events, options } = watch()
  const verifier = domain.verifier(options)
  const { text, staple } = await domain.issueOne({}, { publish: false })
  const first = await verifier.verify(domain.input(text, { staple }))
  assert.equal(first.reason, 'ok')
  assert.deepEqual(notesOf(first), audited)
  // From now on it is held: without the staple, and at once.
  const second = verifier.verify(domain.input(text))
  assert.ok(!(second instanceof Promise))
  assert.deepEqual(notesOf(second), audited)
  await domain.advance(500)
  const third = await verifier.verify(domain.input(text))
  assert.deepEqual(notesOf(third), { provisionalHead: false, unanchoredHead: false })
  await domain.advance(120_000)
  assert.equal((await verifier.verify(domain.input(text))).reason, 'ok')
  assert.equal(verifier.stats().provisionalHeads, 0)
  assert.deepEqual(events, [])
})

test('counts the head in a standalone token where those are accepted', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const { text } = await domain.issueOne({}, { form: 'standalone', publish: false })
  const verdict = await verifier.verify(domain.input(text, { acceptStandalone: true }))
  assert.equal(verdict.reason, 'ok')
  assert.equal(verdict.form, 'standalone')
  assert.deepEqual(notesOf(verdict), audited)
})

test('distrusts a key whose head no state lists in time, marks the decisions, and tells', async () => {
  const domain = await createTestDomain()
  const { events, options } = watch()
  const verifier = domain.verifier(options)
  const good = await domain.issueOne()
  assert.equal((await verifier.verify(domain.input(good.text))).reason, 'ok')
  const { text, staple, head } = await domain.issueOne({}, { publish: false })
  domain.hideHeads()
  // The log of the state stays behind, so the head may still come.
  for (let round = 0; round < 3; round++) {
    assert.equal((await verifier.verify(domain.input(text, { staple }))).reason, 'ok')
  }
  await domain.advance(59_000, { publish: false })
  assert.equal((await verifier.verify(domain.input(text))).reason, 'ok')
  await domain.advance(1_000)
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['head_late', 'head_unlogged'],
  )
  const event = events[1]
  assert.ok(event?.kind === 'head_unlogged')
  assert.equal(event.decisions, 4)
  assert.deepEqual(event.head.hash, head.hash)
  assert.equal(event.head.signed, staple)
  assert.equal((await verifier.verify(domain.input(text, { staple }))).reason, 'key_revoked')
  assert.equal((await verifier.verify(domain.input(good.text))).reason, 'key_revoked', 'cached ones too')
  await domain.rotate()
  const next = await domain.issueOne()
  assert.equal((await verifier.verify(domain.input(next.text))).reason, 'ok', 'another key is another matter')
})

test('tells of a head once that is late, long before it distrusts the key', async () => {
  const domain = await createTestDomain()
  const { events, options } = watch()
  const verifier = domain.verifier({ ...options, heads: { reportedAfterMs: 2_000 } })
  const { text, staple } = await domain.issueOne({}, { publish: false })
  domain.hideHeads()
  assert.equal((await verifier.verify(domain.input(text, { staple }))).reason, 'ok')
  await domain.advance(1_500)
  assert.equal(events.length, 0)
  for (let round = 0; round < 3; round++) await domain.advance(1_000)
  assert.deepEqual(
    events.map((event) => [event.kind, event.kind === 'head_late' && event.decisions]),
    [['head_late', 1]],
  )
  const good = await domain.issueOne()
  assert.notEqual((await verifier.verify(domain.input(good.text))).reason, 'key_revoked')
})

test('lets a verdict show what becomes of the head that it relied on', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const listed = await domain.issueOne({}, { publish: false })
  const { notes } = await verifier.verify(domain.input(listed.text, { staple: listed.staple }))
  assert.equal(notes.reliedOn?.state, 'pending')
  await domain.advance(500)
  assert.equal(notes.reliedOn?.state, 'anchored')
  const hidden = await domain.issueOne({}, { publish: false })
  const relied = (await verifier.verify(domain.input(hidden.text, { staple: hidden.staple }))).notes.reliedOn
  domain.hideHeads()
  await domain.advance(60_000)
  assert.equal(relied?.state, 'refused')
})

test('names keys that nobody knows to the observer, as they were written', async () => {
  const domain = await createTestDomain()
  const keys: (number | string)[] = []
  const observer = { ...silentObserver, unknownKey: (_td: string, key: number | string) => keys.push(key) }
  const verifier = domain.verifier({ observer })
  const token = await domain.issueOne()
  const text = formatMerkleToken({ ...token, keyId: 7 })
  const { reason } = await verifier.verify(domain.input(text))
  assert.equal(reason, 'key_unknown')
  assert.deepEqual(keys, [7])
})

test('refuses an accepted head as soon as the log of a state is past it without listing it', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const { text, staple } = await domain.issueOne({}, { publish: false })
  domain.hideHeads()
  assert.equal((await verifier.verify(domain.input(text, { staple }))).reason, 'ok')
  await domain.advance(500)
  assert.equal((await verifier.verify(domain.input(text, { staple }))).reason, 'head_unknown')
})

test('finds a stolen key out by a head that was refused, too', async () => {
  const domain = await createTestDomain()
  const { events, options } = watch()
  const verifier = domain.verifier(options)
  const { text, staple } = await domain.issueOne({}, { publish: false })
  domain.hideHeads()
  await domain.advance(500)
  const refused = verifier.verify(domain.input(text, { staple }))
  assert.ok(!(refused instanceof Promise))
  assert.equal(refused.reason, 'head_unknown')
  await eventually(() => verifier.stats().provisionalHeads === 1)
  await domain.advance(60_000)
  assert.deepEqual(
    events.map((event) => [event.kind, event.kind === 'head_unlogged' && event.decisions]),
    [
      ['head_late', false],
      ['head_unlogged', 0],
    ],
  )
})

test('holds nothing against a key while the feed is away, but stops counting its head', async () => {
  const domain = await createTestDomain()
  const { events, options } = watch()
  const verifier = domain.verifier(options)
  const { text, staple } = await domain.issueOne({}, { publish: false })
  assert.equal((await verifier.verify(domain.input(text, { staple }))).reason, 'ok')
  await domain.advance(60_000, { publish: false })
  assert.equal((await verifier.verify(domain.input(text))).reason, 'head_unavailable')
  await domain.publish()
  assert.equal((await verifier.verify(domain.input(text))).reason, 'ok')
  assert.deepEqual(events, [])
})

test('takes two signed heads for one place as proof that the key is stolen', async () => {
  const domain = await createTestDomain()
  const { events, options } = watch()
  const verifier = domain.verifier(options)
  const token = await domain.issueOne({}, { publish: false })
  const forged = await forge(domain, token)
  const verdict = async ({ text, staple }: TestToken) =>
    (await verifier.verify(domain.input(text, { staple }))).reason
  assert.equal(await verdict(token), 'ok')
  assert.equal(await verdict(forged), 'signature_invalid')
  await eventually(() => events.length > 0)
  const [event] = events
  assert.ok(event?.kind === 'log_equivocation')
  assert.deepEqual(
    event.heads.map(({ hash }) => hash),
    [token.head.hash, forged.head.hash],
  )
  assert.deepEqual(
    event.heads.map(({ signed }) => signed),
    [token.staple, forged.staple],
  )
  assert.equal(await verdict(token), 'key_revoked')
  assert.equal(events.length, 1)
})

test('takes a signed head beside a listed one as proof as well', async () => {
  const domain = await createTestDomain()
  const { events, options } = watch()
  const verifier = domain.verifier(options)
  const token = await domain.issueOne()
  const forged = await forge(domain, token)
  assert.equal(
    (await verifier.verify(domain.input(forged.text, { staple: forged.staple }))).reason,
    'signature_invalid',
  )
  await eventually(() => events.length > 0)
  const [event] = events
  assert.ok(event?.kind === 'log_equivocation')
  assert.deepEqual(
    event.heads.map(({ signed }) => signed !== undefined),
    [false, true],
  )
  assert.equal((await verifier.verify(domain.input(token.text))).reason, 'key_revoked')
})

test('takes a state that lists another head than the one that was accepted as proof', async () => {
  const domain = await createTestDomain()
  const { events, options } = watch()
  const verifier = domain.verifier(options)
  const token = await domain.issueOne({}, { publish: false })
  const forged = await forge(domain, token)
  assert.equal((await verifier.verify(domain.input(forged.text, { staple: forged.staple }))).reason, 'ok')
  await domain.publish()
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['log_equivocation'],
  )
  assert.equal((await verifier.verify(domain.input(forged.text))).reason, 'key_revoked')
})

test('does not take a forged signature for equivocation', async () => {
  const domain = await createTestDomain()
  const { events, options } = watch()
  const verifier = domain.verifier(options)
  const token = await domain.issueOne()
  const forged = await forge(domain, token)
  const sigs = forged.head.sigs.map(({ keyId, signature }) => ({
    keyId,
    signature: signature.map((b) => b ^ 1),
  }))
  const staple = formatStaple([{ ...forged.head, sigs }])
  assert.equal((await verifier.verify(domain.input(forged.text, { staple }))).reason, 'signature_invalid')
  await setImmediate()
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(events, [])
  assert.equal((await verifier.verify(domain.input(token.text))).reason, 'ok')
})

test('lets a bad staple neither replace nor evict a head of the state', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const token = await domain.issueOne()
  const forged = await forge(domain, token)
  const bad = formatStaple([{ ...forged.head, sigs: token.head.sigs }])
  for (const staple of [bad, forged.staple, 'rubbish', '']) {
    assert.equal((await verifier.verify(domain.input(token.text, { staple }))).reason, 'ok', staple)
  }
})

test('uses of a staple only the head of the token', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const [one] = await domain.issue([{}], { publish: false })
  const [two] = await domain.issue([{}], { publish: false })
  const reason = async (staple: string) => (await verifier.verify(domain.input(two!.text, { staple }))).reason
  assert.equal(await reason(one!.staple), 'head_unavailable')
  assert.equal(await reason(formatStaple([one!.head, two!.head])), 'ok')
})

test('uses no staple of the right place and another hash, however well it is signed', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier()
  const token = await domain.issueOne({}, { publish: false })
  const forged = await forge(domain, token)
  const verdict = await verifier.verify(domain.input(forged.text, { staple: token.staple }))
  assert.equal(verdict.reason, 'head_unavailable')
  assert.equal(verifier.stats().provisionalHeads, 0)
})

test('needs every cosigner that the bundle names', async () => {
  const domain = await createTestDomain({ hybrid: true })
  const verifier = domain.verifier()
  const { text, head, staple } = await domain.issueOne({}, { publish: false })
  assert.equal(head.sigs.length, 2)
  for (const sig of head.sigs) {
    const half = formatStaple([{ ...head, sigs: [sig] }])
    assert.equal((await verifier.verify(domain.input(text, { staple: half }))).reason, 'head_unavailable')
  }
  const [first, second] = head.sigs
  const crossed = { ...second!, signature: second!.signature.map((byte) => byte ^ 1) }
  const forged = formatStaple([{ ...head, sigs: [first!, crossed] }])
  assert.equal((await verifier.verify(domain.input(text, { staple: forged }))).reason, 'signature_invalid')
  assert.equal((await verifier.verify(domain.input(text, { staple }))).reason, 'ok')
})

test('lets unlisted heads count not at all, or for good, as configuration says', async () => {
  const domain = await createTestDomain()
  const { text, staple } = await domain.issueOne({}, { publish: false })
  const rejecting = domain.verifier({ heads: { unanchored: 'reject', source: source(domain) } })
  assert.equal((await rejecting.verify(domain.input(text, { staple }))).reason, 'head_unavailable')
  const accepting = domain.verifier({ heads: { unanchored: 'accept' } })
  const verdict = await accepting.verify(domain.input(text, { staple }))
  assert.equal(verdict.reason, 'ok')
  assert.deepEqual(notesOf(verdict), { provisionalHead: false, unanchoredHead: true })
  await domain.advance(200_000, { publish: false })
  assert.equal((await accepting.verify(domain.input(text))).reason, 'ok')
  await domain.publish()
  assert.equal((await rejecting.verify(domain.input(text, { staple }))).reason, 'ok')
})

test('verifies offline for as long as its operator accepts', async () => {
  const domain = await createTestDomain()
  const { text } = await domain.issueOne(
    { exp: domain.nowS() + 3_000 },
    { form: 'standalone', publish: false },
  )
  await domain.advance(2_000_000, { publish: false })
  const verifier = domain.verifier({ staleTrust: 'accept', heads: { unanchored: 'accept' } })
  const verdict = await verifier.verify(domain.input(text, { acceptStandalone: true }))
  assert.equal(verdict.reason, 'ok')
  assert.equal(verdict.notes.staleTrustAccepted, true)
  await domain.advance(8 * 86_400_000, { publish: false })
  const late = await domain.issueOne({}, { form: 'standalone', publish: false })
  const expired = await verifier.verify(domain.input(late.text, { acceptStandalone: true }))
  assert.equal(expired.reason, 'trust_stale', 'an expired bundle is nobody’s choice')
})

test('fetches a missing head once, however many ask', async () => {
  const domain = await createTestDomain()
  const heads = source(domain)
  const { fetches, options } = watch()
  const verifier = domain.verifier({ ...options, heads: { source: heads } })
  const tokens = await domain.issue(
    Array.from({ length: 30 }, () => ({})),
    { publish: false },
  )
  const verdicts = await Promise.all(tokens.map(async ({ text }) => verifier.verify(domain.input(text))))
  assert.deepEqual([...new Set(verdicts.map(({ reason }) => reason))], ['ok'])
  const [token] = tokens
  const { td } = domain
  assert.deepEqual(heads.asked, [
    { td, origin: token!.log, keyId: token!.keyId, start: token!.start, end: token!.end },
  ])
  assert.deepEqual(fetches, ['found'])
  assert.equal(verifier.stats().pending, 0)
})

test('remembers only the authority’s own no, and for a second', async () => {
  const domain = await createTestDomain()
  const { text } = await domain.issueOne({}, { publish: false })
  let isAway = false
  let asked = 0
  const fetchHead = async () => {
    asked += 1
    if (isAway) throw new Error('away')
    return undefined
  }
  const verifier = domain.verifier({ heads: { source: { fetchHead } } })
  const reason = async () => (await verifier.verify(domain.input(text))).reason
  assert.deepEqual([await reason(), await reason(), asked], ['head_unknown', 'head_unknown', 1])
  await domain.advance(1_000, { publish: false })
  isAway = true
  assert.deepEqual([await reason(), await reason(), asked], ['head_unavailable', 'head_unavailable', 3])
})

test('believes no answer without valid signatures', async () => {
  const domain = await createTestDomain()
  const { text, head } = await domain.issueOne({}, { publish: false })
  const sigs = head.sigs.map(({ keyId, signature }) => ({ keyId, signature: signature.map((b) => b ^ 1) }))
  const other = await domain.issueOne({}, { publish: false })
  for (const answer of [formatStaple([{ ...head, sigs }]), other.staple, 'rubbish']) {
    const verifier = domain.verifier({ heads: { source: { fetchHead: async () => answer } } })
    assert.equal((await verifier.verify(domain.input(text))).reason, 'head_unavailable')
  }
})

test('refuses a token whose place has another signed head', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier({ heads: { source: source(domain) } })
  const token = await domain.issueOne({}, { publish: false })
  const other = await domain.issueOne({}, { publish: false })
  const forged = formatMerkleToken({ ...token, claimsBytes: other.claimsBytes })
  assert.equal((await verifier.verify(domain.input(forged))).reason, 'signature_invalid')
  assert.equal((await verifier.verify(domain.input(token.text))).reason, 'ok')
})

test('asks for no head that cannot be there, and for so many a second', async () => {
  const domain = await createTestDomain()
  const heads = source(domain)
  const { fetches, options } = watch()
  const verifier = domain.verifier({ ...options, heads: { source: heads, fetchesPerS: 5 } })
  const token = await domain.issueOne()
  const at = (index: number) => formatMerkleToken({ ...token, index, start: index, end: index + 1 })
  const reason = async (text: string) => (await verifier.verify(domain.input(text))).reason
  const known = domain.log.tree.size
  assert.equal(await reason(at(known + 2 * 1_024)), 'head_unavailable')
  assert.deepEqual([heads.asked.length, fetches], [0, ['refused']])
  fetches.length = 0
  for (let index = known; index < known + 20; index++) await reason(at(index))
  assert.equal(heads.asked.length, 5)
  assert.deepEqual(fetches, [...Array<string>(5).fill('absent'), ...Array<string>(15).fill('shed')])
  await domain.advance(400, { publish: false })
  for (let index = known + 100; index < known + 120; index++) await reason(at(index))
  assert.equal(heads.asked.length, 7, 'two more in 400 ms')
})

test('verifies no token at a place where it was not logged', async () => {
  const domain = await createTestDomain()
  const verifier = domain.verifier({ heads: { source: source(domain), fetchesPerS: 1_000_000 } })
  await domain.issue([{}, {}, {}])
  const tokens = await domain.issue(Array.from({ length: 12 }, () => ({})))
  await domain.issue(Array.from({ length: 40 }, () => ({})))
  let tried = 0
  for (const token of tokens) {
    const { index, start, end } = token
    for (let start2 = 0; start2 <= 32; start2++) {
      for (let end2 = start2 + 1; end2 <= start2 + 17; end2++) {
        for (const index2 of [start2, index, start2 + (index - start), end2 - (end - index), end2 - 1]) {
          if (index2 === index && start2 === start && end2 === end) continue
          const moved = tryFormat({ ...token, index: index2, start: start2, end: end2 })
          if (moved === undefined) continue
          tried += 1
          const { reason, status } = await verifier.verify(domain.input(moved))
          assert.notEqual(status, 'verified', `${index2} in ${start2}..${end2}: ${reason}`)
        }
      }
    }
    assert.equal((await verifier.verify(domain.input(token.text))).reason, 'ok')
  }
  assert.ok(tried > 2_000, String(tried))
})

function tryFormat(parts: Parameters<typeof formatMerkleToken>[0]): string | undefined {
  try {
    return formatMerkleToken(parts)
  } catch {
    return undefined
  }
}

async function eventually(isSo: () => boolean): Promise<void> {
  for (let round = 0; round < 500 && !isSo(); round++) await new Promise((resolve) => setTimeout(resolve, 2))
  assert.ok(isSo())
}
