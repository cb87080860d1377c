import { test } from 'node:test'
import assert from 'node:assert/strict'
import { base64url, parseUtf8, utf8 } from '@quantum-ip/base'
import { type Envelope, sha256 } from '@quantum-ip/crypto'
import { bundle, hash, head, key, logs, nowMs, record, signed, state, tokenLog } from '../test/acme.ts'
import { buildBundle } from './bundle.ts'
import { buildHead } from './head-record.ts'
import { payloadTypes } from './payload-types.ts'
import { buildState, parseState, type State, verifyState } from './state.ts'

const full = (): State =>
  state({
    policies: new Map([['default', { version: 3, sha256: hash('policy') }]]),
    logs: logs({ 'acme.example/attestations/1': 7, [tokenLog]: 4_096 }),
    heads: [head(0, 1_024), head(1_024, 1_100)],
  })

function altered(change: object): Uint8Array {
  const json = JSON.parse(parseUtf8(buildState(full()))) as object
  return utf8(JSON.stringify({ ...json, ...change }))
}

test('a state reads back as it was built', () => {
  assert.deepEqual(parseState(buildState(full())), full())
})

test('the same state always gives the same bytes, in whatever order its maps were filled', () => {
  const reversed = { ...full(), logs: new Map([...full().logs].reverse()) }
  assert.deepEqual(buildState(reversed), buildState(full()))
})

test('names are names, `__proto__` too', () => {
  const policies = new Map([['__proto__', { version: 1, sha256: hash('policy') }]])
  assert.deepEqual(parseState(buildState(state({ policies }))).policies, policies)
})

test('unknown members are ignored unless `crit` lists them', () => {
  assert.equal(parseState(altered({ color: 'red', crit: ['headChain'] })).seq, 1)
  assert.throws(() => parseState(altered({ color: 'red', crit: ['color'] })), {
    code: 'QIP_TRUST_CRITICAL_UNKNOWN',
  })
})

const h = base64url(hash('x'))
const heads = (...json: unknown[]) => ({ heads: [json] })
const malformed: readonly (readonly [title: string, change: object])[] = [
  ['seq 0', { seq: 0 }],
  ['a time with a fraction', { time: 1.5 }],
  ['a short revocation hash', { revocations: h.slice(1) }],
  ['a hash that is not canonical', { revocations: `${h.slice(0, 42)}B` }],
  ['a bundle without hash', { bundle: { sequence: 1 } }],
  ['a bundle of sequence 0', { bundle: { sequence: 0, sha256: h } }],
  ['a log of another domain', { logs: { 'evil.example/tokens/1': { size: 1, hash: h } } }],
  ['a log too large', { logs: { [tokenLog]: { size: 2 ** 48 + 1, hash: h } } }],
  ['a policy without name', { policies: { '': { version: 1, sha256: h } } }],
  ['a policy without version', { policies: { default: { sha256: h } } }],
  ['a head of four members', heads(tokenLog, 0, 1, h)],
  ['a head that is an object', { heads: [{}] }],
  ['a head of an unlisted log', heads('acme.example/tokens/2', 0, 1, h, 9)],
  ['a head beyond its log', heads(tokenLog, 4_096, 4_097, h, 9)],
  ['an empty head', heads(tokenLog, 4, 4, h, 9)],
  ['a head that is no subtree', heads(tokenLog, 1, 3, h, 9)],
  ['a head of more than 65,536 leaves', heads(tokenLog, 0, 65_537, h, 9)],
  ['a head with a text for a number', heads(tokenLog, '0', 1, h, 9)],
  ['a head with a negative expiry', heads(tokenLog, 0, 1, h, -1)],
  ['a head without hash', heads(tokenLog, 0, 1, null, 9)],
]
for (const [title, change] of malformed) {
  test(`refuses a state with ${title}`, () => {
    assert.throws(() => parseState(altered(change)), { code: 'QIP_TRUST_DOCUMENT_MALFORMED' })
  })
}

test('refuses more than a state may hold', () => {
  const one = buildHead(head(0, 1))
  const many = {
    heads: { heads: Array.from({ length: 8_193 }, () => one) },
    logs: {
      logs: Object.fromEntries(Array.from({ length: 4_097 }, (_, n) => [`acme.example/tokens/${n}`, 0])),
    },
    policies: { policies: Object.fromEntries(Array.from({ length: 1_025 }, (_, n) => [`p${n}`, 0])) },
  }
  for (const change of Object.values(many)) {
    assert.throws(() => parseState(altered(change)), { code: 'QIP_TRUST_LIMIT_EXCEEDED' })
  }
  assert.throws(() => parseState(new Uint8Array(1_048_577)), { code: 'QIP_TRUST_LIMIT_EXCEEDED' })
})

const held = { document: bundle(), sha256: sha256(buildBundle(bundle())) }
const verify = (envelope: Envelope, trusted = held) =>
  verifyState({ envelope, bundle: trusted, timeMs: nowMs })

test('accepts a state by the feed key', async () => {
  const { document, signers } = await verify(await signed.state({ seq: 7 }))
  assert.equal(document.seq, 7)
  assert.deepEqual(signers, [key.feed.publicKey.kid])
})

test('accepts a state that rests on an earlier bundle than the one held', async () => {
  await verify(await signed.state(), { ...held, document: bundle({ sequence: 2 }) })
})

for (const [state, isAccepted] of [
  ['planned', false],
  ['published', false],
  ['active', true],
  ['retiring', true],
  ['retired', false],
  ['compromised', false],
] as const) {
  test(`${isAccepted ? 'accepts' : 'refuses'} a state by a ${state} feed key`, async () => {
    const result = verify(await signed.state(), {
      ...held,
      document: bundle({ keys: [record('qip-feed', key.feed, { state })] }),
    })
    if (isAccepted) await result
    else await assert.rejects(result, { code: 'QIP_TRUST_SIGNATURES_INSUFFICIENT' })
  })
}

const refused: readonly (readonly [title: string, make: () => Promise<Envelope>, code: string])[] = [
  ['by a key of another use', () => signed.state({}, key.jwt), 'QIP_TRUST_SIGNATURES_INSUFFICIENT'],
  ['by nobody known', () => signed.state({}, key.feed2), 'QIP_TRUST_SIGNATURES_INSUFFICIENT'],
  [
    'for another domain',
    () => signed.state({ td: 'spiffe://evil.example', logs: new Map() }),
    'QIP_TRUST_DOMAIN_MISMATCH',
  ],
  [
    'that rests on a later bundle',
    () => signed.state({ bundle: { sequence: 2, sha256: hash('x') } }, key.feed2),
    'QIP_TRUST_DOCUMENT_MISSING',
  ],
  [
    'that rests on another bundle of this sequence',
    () => signed.state({ bundle: { sequence: 1, sha256: hash('x') } }),
    'QIP_TRUST_BUNDLE_MISMATCH',
  ],
  ['from the future', () => signed.state({ timeMs: nowMs + 30_001 }), 'QIP_TRUST_TIME_AHEAD'],
  [
    'under the payload type of a bundle',
    async () => ({ ...(await signed.state()), payloadType: payloadTypes.bundle }),
    'QIP_TRUST_DOCUMENT_MALFORMED',
  ],
]
for (const [title, make, code] of refused) {
  test(`refuses a state ${title}`, async () => {
    await assert.rejects(verify(await make()), { code })
  })
}

test('refuses what is no envelope', async () => {
  for (const envelope of ['', '{}', new Uint8Array(9)]) {
    await assert.rejects(verifyState({ envelope, bundle: held, timeMs: nowMs }), {
      code: 'QIP_TRUST_DOCUMENT_MALFORMED',
    })
  }
})
