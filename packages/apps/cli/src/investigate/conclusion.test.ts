import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '@quantum-ip/base'
import { concludeCase } from './conclusion.ts'
import { type DecisionsFact, noDecisions, readDecisions } from './decisions-part.ts'
import type { Examined } from './examine-case.ts'
import type { HoldingAttestation } from './examine-evidence.ts'
import { timelineOf } from './timeline.ts'
import { touchedBy } from './touched.ts'

const build = 'ab'.repeat(32)
const shop = 'spiffe://acme.example/ns/prod/sa/shop'
const checkout = 'spiffe://acme.example/ns/prod/sa/checkout'
const hour = 3_600_000
const now = 1_000 * hour

const attestation: HoldingAttestation = {
  holds: true,
  part: 'evidence-1-1',
  origin: 'acme.example/attestations/1',
  index: 1,
  build,
  builder: 'https://ci.acme.example/release',
  signers: ['k'],
  source: undefined,
  subject: undefined,
  attestedMs: now - 5 * hour,
  startedMs: undefined,
  finishedMs: now - 6 * hour,
  treeSize: 2,
  checkpointMs: undefined,
  admissions: [],
}

function examined(over: Partial<Examined> = {}): Examined {
  return {
    of: {
      subject: { kind: 'build', value: build },
      trustDomain: 'spiffe://acme.example',
      collectedMs: now,
      sinceMs: undefined,
      untilMs: undefined,
      pinned: 'pinned',
      parts: [],
      missing: [],
    },
    focus: { builds: [build], services: [checkout], keys: ['k'], tokens: [] },
    asOfMs: now,
    epoch: 0,
    seq: 1,
    parts: [],
    attestations: [attestation],
    tokens: [],
    tokensFailing: [],
    issued: [],
    wholeLogs: [],
    revocations: [],
    decisions: noDecisions,
    refusedSince: noDecisions,
    isOnlyRevoked: true,
    sessions: [],
    keys: [],
    events: [],
    acts: [],
    members: [],
    incidents: [],
    rules: [],
    ...over,
  }
}

const group = (over: JsonObject = {}): JsonObject => ({
  service: shop,
  subject: checkout,
  status: 'verified',
  reason: 'ok',
  action: 'allow',
  count: 2,
  requests: 200,
  firstMs: now - 4 * hour,
  lastMs: now - hour,
  ...over,
})
const record = (id: string, timeMs: number, over: JsonObject = {}): JsonObject => ({
  id,
  timeMs,
  point: 'edge-1',
  service: shop,
  subject: checkout,
  status: 'verified',
  reason: 'ok',
  action: 'allow',
  share: 0.01,
  traceId: 'f'.repeat(32),
  ...over,
})
const decisions = (over: JsonObject = {}): DecisionsFact =>
  readDecisions({
    total: 2,
    requests: 200,
    groups: [group()],
    records: [record('edge-1-a', now - 4 * hour), record('edge-1-b', now - hour)],
    oldestMs: now - 4 * hour,
    suppressed: [],
    ...over,
  })

const codes = (from: Examined) => concludeCase(from).findings.map(({ code }) => code)

test('nothing contradicts an attested build whose requests passed', () => {
  const { outcome, text } = concludeCase(examined({ decisions: decisions() }))
  assert.deepEqual([outcome, text], ['clean', 'nothing contradicts this build'])
})

test('says what it cannot know: samples, what was pruned, what was suppressed, and whose word it is', () => {
  const suppressed = [{ point: 'edge-1', reason: 'token_malformed', count: 7 }]
  const { gaps } = concludeCase(examined({ decisions: decisions({ suppressed }) }))
  assert.deepEqual(
    gaps.map((gap) => gap.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/, '<moment>')),
    [
      'decisions before <moment>: none are kept, they were pruned or never reported',
      'requests that were verified and allowed are recorded at 1 %: there were more, and perhaps an earlier and a later one',
      '7 decisions were over the cap and not kept, about anything (token_malformed)',
      'decisions are what enforcement points reported: nobody signed them',
      'no token that was used is proven here to have been issued',
    ],
  )
})

test('does not call clean what it could not ask for', () => {
  const { of } = examined()
  const lacking = { ...of, missing: [{ what: 'the attestations of the build', reason: 'refused' }] }
  const { outcome, text } = concludeCase(examined({ of: lacking, attestations: [] }))
  assert.deepEqual(
    [outcome, text],
    ['unknown', 'cannot say: the attestations of the build could not be had: refused'],
  )
})

const revocation = {
  epoch: 3,
  time: (now - 2 * hour) / 1_000,
  kind: 'build',
  value: build,
  reason: 'tampered',
} as const

test('a request that passed long after the revocation contradicts, one before it does not', () => {
  const before = decisions({ groups: [group({ lastMs: now - 3 * hour })] })
  const early = examined({ revocations: [revocation], decisions: before })
  assert.equal(concludeCase(early).outcome, 'revoked')
  const late = examined({ revocations: [revocation], decisions: decisions() })
  assert.ok(codes(late).includes('accepted_after_revocation'))
  assert.equal(concludeCase(late).outcome, 'contradicted')
})

test('a revocation that has ended is no longer one', () => {
  const over = { ...revocation, expires: (now - hour) / 1_000 }
  assert.equal(concludeCase(examined({ revocations: [over] })).outcome, 'clean')
})

test('an entry of the log that the registry does not show is worse than none', () => {
  const builds = new Map([[1, build]])
  const wholeLogs = [{ part: 'log-1', origin: 'acme.example/attestations/1', size: 2, builds }]
  assert.deepEqual(codes(examined({ attestations: [], wholeLogs })), ['withheld'])
  const empty = [
    {
      ...wholeLogs[0],
      part: 'log-1',
      origin: 'acme.example/attestations/1',
      size: 2,
      builds: new Map<number, string>(),
    },
  ]
  assert.deepEqual(codes(examined({ attestations: [], wholeLogs: empty })), ['not_attested'])
  const moments = timelineOf(examined({ attestations: [], wholeLogs: empty }))
  assert.match(
    moments[0]?.text ?? '',
    /^no attestation is in acme\.example\/attestations\/1: all of its 2 entries were read$/,
  )
})

const admissions = (admitted: boolean) => [
  { service: checkout, admitted, reason: 'rule 1 wants another source' },
]

test('one attestation that a rule takes is enough, and none is not', () => {
  const refused = { ...attestation, admissions: admissions(false) }
  assert.ok(codes(examined({ attestations: [refused] })).includes('not_admitted'))
  const taken = { ...attestation, index: 2, admissions: admissions(true) }
  assert.ok(!codes(examined({ attestations: [refused, taken] })).includes('not_admitted'))
})

test('a token is judged by its place: another one there, or none, was never issued', () => {
  const { of } = examined()
  const subject = { kind: 'token', value: 'cd'.repeat(32) } as const
  const origin = 'acme.example/tokens/1'
  const focus = {
    builds: [],
    services: [],
    keys: [],
    tokens: [{ digest: subject.value, log: origin, index: 5 }],
  }
  const proven = { part: 'entry-1-5', origin, index: 5, digest: subject.value, expiresMs: now, size: 9 }
  const of_ = { ...of, subject }
  const base = { of: of_, focus, attestations: [] }
  assert.deepEqual(codes(examined({ ...base, tokens: [proven] })), ['holds'])
  assert.deepEqual(codes(examined({ ...base, tokens: [{ ...proven, digest: 'ee'.repeat(32) }] })), [
    'token_other',
  ])
  const beyond = { part: '', origin, index: 5, reason: 'the log has 4 entries' }
  assert.deepEqual(codes(examined({ ...base, tokensFailing: [beyond] })), ['token_unproven'])
})

test('stolen keys speak against what they made', () => {
  const keys = [{ kid: 'k', use: 'qip-build', name: attestation.builder, state: 'compromised' }]
  assert.ok(codes(examined({ keys })).includes('builder_compromised'))
  const unlogged = decisions({ records: [record('edge-1-a', now, { head: 'unlogged' })] })
  assert.ok(codes(examined({ decisions: unlogged })).includes('unlogged'))
})

test('the timeline is in order, names the first and last use, exceptions, and who holds a revocation', () => {
  const moments = timelineOf(
    examined({
      revocations: [revocation],
      members: [{ epoch: 3 }, { epoch: 2 }],
      decisions: decisions({
        records: [
          record('edge-1-a', now - 4 * hour, { exception: { name: 'friday', owner: 'ops' } }),
          record('edge-1-b', now - hour),
        ],
      }),
      incidents: [{ number: 4, severity: 'critical', title: 'odd', openedMs: now }],
    }),
  )
  assert.deepEqual(
    moments.map(({ chapter }) => chapter),
    ['build', 'log', 'use', 'use', 'revocation', 'use', 'incident'],
  )
  assert.match(moments[4]?.text ?? '', /epoch 3: tampered; 1 of 2 members hold it$/)
  assert.ok(moments.some(({ text }) => text.startsWith('passed by the exception friday')))
})

test('whom it touched is counted by what each record stands for', () => {
  const groups = [group(), group({ action: 'reject', reason: 'token_expired', count: 3, requests: 3 })]
  const { services, callers, requests } = touchedBy(examined({ decisions: decisions({ groups }) }))
  assert.deepEqual(services, [{ name: shop, passed: 200, refused: 3 }])
  assert.deepEqual(callers, [{ name: checkout, passed: 200, refused: 3 }])
  assert.deepEqual(
    requests.map(({ decision, traceId }) => [decision, traceId]),
    [
      ['edge-1-b', 'f'.repeat(32)],
      ['edge-1-a', 'f'.repeat(32)],
    ],
  )
})

test('the next commands fit: revoke what is contradicted, and not what is revoked already', () => {
  const first = concludeCase(examined({ attestations: [], decisions: decisions() })).next
  assert.match(first[0] ?? '', /^qip revoke build sha256:/)
  assert.match(first[1] ?? '', /^qip incident open .* --service spiffe:/)
  const again = concludeCase(examined({ attestations: [], revocations: [revocation] })).next
  assert.ok(again.every((command) => !command.startsWith('qip revoke')))
})
