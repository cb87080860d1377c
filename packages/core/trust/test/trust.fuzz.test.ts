import { inspect } from 'node:util'
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { isQipError, utf8 } from '@quantum-ip/base'
import { type Envelope, formatEnvelope, parseEnvelope } from '@quantum-ip/crypto'
import { type Seeded, seeded } from '@quantum-ip/testing'
import {
  buildBundle,
  buildRevocation,
  buildRootDocument,
  buildState,
  parseBundle,
  parseHead,
  parseRevocation,
  parseRootDocument,
  parseState,
  pinsOf,
  TrustStore,
} from '../src/index.ts'
import {
  bundle,
  confirmed,
  head,
  nowMs,
  openStore,
  records,
  revocation,
  rootDocument,
  signed,
  state,
  td,
  tokenLog,
} from './acme.ts'

const runs = process.env['QIP_TEST_LONG'] === '1' ? 20_000 : 400

/** A few bytes flipped, cut, doubled or put in. */
function mutated(bytes: Uint8Array, random: Seeded): Uint8Array {
  let result = Buffer.from(bytes)
  const count = random.integer(1, 3)
  for (let n = 0; n < count; n++) {
    const at = random.integer(0, result.length - 1)
    const end = Math.min(result.length, at + random.integer(1, 40))
    const way = random.integer(0, 4)
    if (way === 0) result[at] = (result[at] ?? 0) ^ (1 << random.integer(0, 7))
    else if (way === 1) result = Buffer.concat([result.subarray(0, at), result.subarray(end)])
    else if (way === 2) result = Buffer.concat([result.subarray(0, end), result.subarray(at)])
    else if (way === 3) result[at] = random.pick([...utf8('0"\\{}[],:-e')])
    else result = Buffer.concat([result.subarray(0, at), random.bytes(3), result.subarray(at)])
    if (result.length === 0) return utf8('x')
  }
  return result
}

/** `mutated`, but never what it was made from. */
function other(bytes: Uint8Array, random: Seeded): Uint8Array {
  for (;;) {
    const result = mutated(bytes, random)
    if (Buffer.compare(result, bytes) !== 0) return result
  }
}

function assertCoded(error: unknown, seed: string): void {
  assert.ok(isQipError(error), `${seed}: ${String(error)}`)
}

const someRevocations = [
  revocation(),
  revocation({ epoch: 2, kind: 'range', log: tokenLog, from: 1, value: '9' }),
]
const someHeads = [head(0, 1_024), head(1_024, 1_030)]
const fullState = () => state({ ...confirmed(someRevocations), heads: someHeads })

const parsers: readonly (readonly [
  title: string,
  bytes: Uint8Array,
  parse: (bytes: Uint8Array) => unknown,
])[] = [
  ['root document', buildRootDocument(rootDocument()), parseRootDocument],
  ['bundle', buildBundle(bundle()), parseBundle],
  ['state', buildState(fullState()), parseState],
  [
    'revocation',
    utf8(JSON.stringify(buildRevocation(someRevocations[1] ?? revocation()))),
    (bytes) => parseRevocation(JSON.parse(Buffer.from(bytes).toString()) as never),
  ],
  [
    'head',
    utf8(JSON.stringify(['acme.example/tokens/1', 0, 4, 'A'.repeat(43), 9])),
    (bytes) => parseHead(JSON.parse(Buffer.from(bytes).toString()) as never),
  ],
]
for (const [title, bytes, parse] of parsers) {
  test(`a mutated ${title} is read or refused with a code, nothing else`, () => {
    let refused = 0
    for (let n = 0; n < runs; n++) {
      const seed = `${title} ${n}`
      try {
        parse(other(bytes, seeded(seed)))
      } catch (error) {
        // What is no JSON never reaches the parsers of records.
        if (!(error instanceof SyntaxError)) assertCoded(error, seed)
        refused++
      }
    }
    assert.ok(refused > runs / 2, `${refused} of ${runs}`)
  })
}

const documents: readonly (readonly [title: string, make: () => Promise<Envelope>])[] = [
  ['root document', () => signed.root({ sequence: 2 })],
  ['bundle', () => signed.bundle({ sequence: 2 })],
  ['state', () => signed.state({ ...confirmed(someRevocations), heads: someHeads })],
]
for (const [title, make] of documents) {
  test(`a mutated ${title} never takes effect`, async () => {
    const envelope = await make()
    const store = await openStore()
    const before = store.exportSnapshot()
    for (let n = 0; n < runs / 4; n++) {
      const seed = `${title} ${n}`
      const input = {
        envelope: { ...envelope, payload: other(envelope.payload, seeded(seed)) },
        timeMs: nowMs,
      }
      const applied =
        title === 'state'
          ? store.applyState({ ...input, revocations: someRevocations })
          : title === 'bundle'
            ? store.applyBundle(input)
            : store.applyRoot(input)
      await assert.rejects(applied, (error) => (assertCoded(error, seed), true), seed)
      assert.deepEqual(store.exportSnapshot(), before, seed)
    }
  })
}

test('a mutated signature never counts', async () => {
  const envelope = await signed.state(confirmed(someRevocations))
  const [signature] = envelope.signatures
  assert.ok(signature)
  const store = await openStore()
  for (let n = 0; n < runs / 4; n++) {
    const sig = other(signature.sig, seeded(`signature ${n}`))
    const input = { envelope: { ...envelope, signatures: [{ ...signature, sig }] }, timeMs: nowMs }
    await assert.rejects(store.applyState({ ...input, revocations: someRevocations }), {
      code: 'QIP_TRUST_SIGNATURES_INSUFFICIENT',
    })
  }
})

test('a mutated envelope text is refused with a code, or says the same', async () => {
  const text = utf8(formatEnvelope(await signed.state({ ...confirmed(someRevocations), heads: someHeads })))
  const prepared = (await openStore()).exportSnapshot()
  for (let n = 0; n < runs / 4; n++) {
    const seed = `envelope ${n}`
    const store = new TrustStore({ td, pins: pinsOf(rootDocument()) })
    await store.loadSnapshot(prepared, nowMs)
    const envelope = other(text, seeded(seed))
    try {
      await store.applyState({ envelope, timeMs: nowMs, revocations: someRevocations })
      // A key ID is a hint, and an unknown member means nothing: only the payload has to be the one that was signed.
      assert.deepEqual(
        Buffer.from(parseEnvelope(envelope).payload),
        Buffer.from(buildState(fullState())),
        seed,
      )
    } catch (error) {
      assertCoded(error, seed)
      assert.equal(store.state, undefined)
    }
  }
})

test('a mutated snapshot is refused with a code, or holds nothing that was not signed', async () => {
  const original = await openStore()
  const envelope = await signed.state({ ...confirmed(someRevocations), heads: someHeads })
  await original.applyState({ envelope, timeMs: nowMs, revocations: someRevocations })
  const snapshot = original.exportSnapshot()
  let refused = 0
  for (let n = 0; n < runs / 2; n++) {
    const seed = `snapshot ${n}`
    const store = new TrustStore({ td, pins: pinsOf(rootDocument()) })
    try {
      await store.loadSnapshot(other(snapshot, seeded(seed)), nowMs)
    } catch (error) {
      assertCoded(error, seed)
      refused++
    }
    // Whatever was loaded, each part of it is a part of the original.
    if (store.root !== undefined) assert.deepEqual(store.root, original.root, seed)
    if (store.bundle !== undefined) assert.deepEqual(store.bundle, original.bundle, seed)
    if (store.state === undefined) continue
    assert.deepEqual(store.state, original.state, seed)
    assert.equal(store.revocations.size, 2, seed)
    for (const { start, end, hash } of someHeads) {
      assert.deepEqual(store.headFor(tokenLog, records.token.keyId ?? 0, { start, end }), hash, seed)
    }
  }
  assert.ok(refused > runs / 4, `${refused} refused`)
})

test('no error holds a key, a hash or a reason that somebody wrote', async () => {
  const secret = 'bWFya2VkLXNlY3JldC1kby1ub3QtcHJpbnQtdGhpcyE'
  const json = JSON.parse(Buffer.from(buildBundle(bundle())).toString()) as {
    keys: Record<string, unknown>[]
  }
  for (const jwk of json.keys) Object.assign(jwk, { priv: secret, d: secret })
  const documents: (readonly [Uint8Array, (bytes: Uint8Array) => unknown])[] = [
    [utf8(JSON.stringify(json)), parseBundle],
    [utf8(JSON.stringify({ ...json, keys: json.keys.map(({ priv }) => priv) })), parseBundle],
    [
      utf8(JSON.stringify({ ...buildRevocation(revocation()), reason: secret })),
      (bytes) => parseRevocation(JSON.parse(Buffer.from(bytes).toString()) as never),
    ],
  ]
  let refused = 0
  for (const [bytes, parse] of documents) {
    for (let n = 0; n < runs; n++) {
      try {
        parse(other(bytes, seeded(`secret ${n}`)))
      } catch (error) {
        refused++
        if (!(error instanceof SyntaxError))
          assert.equal(inspect(error, { depth: 9 }).includes(secret), false)
      }
    }
  }
  assert.ok(refused > runs)
})
