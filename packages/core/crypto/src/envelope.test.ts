import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base64, base64url, isQipError, utf8 } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { envelopeLimits, formatEnvelope, pae, parseEnvelope } from './envelope.ts'

const malformed = { code: 'QIP_CRYPTO_ENVELOPE_MALFORMED' }
// Bytes that need both of the characters in which the two alphabets differ, and padding.
const awkward = Uint8Array.of(0xfb, 0xef, 0xff, 0xfe)
const envelope = {
  payload: awkward,
  payloadType: 'application/vnd.in-toto+json',
  signatures: [{ keyid: 'a', sig: awkward }, { sig: utf8('s') }],
}

test('PAE counts bytes, not characters', () => {
  assert.equal(
    Buffer.from(pae('application/vnd.in-toto+json', utf8('{}'))).toString(),
    'DSSEv1 28 application/vnd.in-toto+json 2 {}',
  )
  assert.equal(
    Buffer.from(pae('http://example.com/HelloWorld', utf8('hello world'))).toString(),
    'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  )
  assert.equal(Buffer.from(pae('', new Uint8Array(0))).toString(), 'DSSEv1 0  0 ')
  assert.equal(Buffer.from(pae('é', utf8('é'))).toString(), 'DSSEv1 2 é 2 é')
})

test('PAE never maps two inputs to the same bytes', () => {
  const input = fc.tuple(fc.string({ maxLength: 8 }), fc.uint8Array({ maxLength: 8 }))
  fc.assert(
    fc.property(input, input, ([typeA, a], [typeB, b]) => {
      const same = typeA === typeB && Buffer.from(a).equals(b)
      assert.equal(Buffer.from(pae(typeA, a)).equals(pae(typeB, b)), same)
    }),
  )
})

test('an envelope goes out and in again, as text and as bytes', () => {
  const text = formatEnvelope(envelope)
  for (const input of [text, utf8(text)]) {
    const parsed = parseEnvelope(input)
    assert.deepEqual(Buffer.from(parsed.payload), Buffer.from(awkward))
    assert.deepEqual(
      parsed.signatures.map(({ keyid }) => keyid),
      ['a', undefined],
    )
    assert.equal(formatEnvelope(parsed), text)
  }
})

function text(members: Record<string, unknown>): string {
  return JSON.stringify({ payload: 'e30=', payloadType: 't', signatures: [{ sig: 'AA==' }], ...members })
}

test('reads standard and URL-safe base64, the latter with and without padding', () => {
  for (const spelling of [
    base64(awkward),
    base64url(awkward),
    `${base64url(awkward)}==`,
    base64(awkward).replace('==', ''),
  ]) {
    const parsed = parseEnvelope(text({ payload: spelling, signatures: [{ sig: spelling }] }))
    assert.deepEqual(Buffer.from(parsed.payload), Buffer.from(awkward), spelling)
    assert.deepEqual(Buffer.from(parsed.signatures[0]?.sig ?? []), Buffer.from(awkward), spelling)
  }
})

test('ignores unknown members, and key IDs that say nothing', () => {
  const parsed = parseEnvelope(
    text({
      extra: { nested: [1] },
      signatures: [
        { sig: 'AA==', keyid: null, cert: 'x' },
        { sig: 'AA==', keyid: '' },
      ],
    }),
  )
  assert.deepEqual(
    parsed.signatures.map((signature) => Object.keys(signature)),
    [['sig'], ['sig']],
  )
})

const refused: readonly [string, string | Uint8Array][] = [
  ['an empty text', ''],
  ['an array', '[]'],
  ['null', 'null'],
  ['bytes that are not UTF-8', Uint8Array.of(0xff, 0xfe)],
  ['a second payload', '{"payload":"e30=","payload":"e30=","payloadType":"t","signatures":[{"sig":"AA=="}]}'],
  ['a second sig', '{"payload":"e30=","payloadType":"t","signatures":[{"sig":"AA==","sig":"AQ=="}]}'],
  ['text after the envelope', `${text({})} x`],
  ['no payload', text({ payload: undefined })],
  ['a payload that is an object', text({ payload: {} })],
  ['an empty payload type', text({ payloadType: '' })],
  ['a payload type that is a number', text({ payloadType: 1 })],
  ['a payload type of 256 characters', text({ payloadType: 'x'.repeat(256) })],
  ['no signatures', text({ signatures: [] })],
  ['signatures that are no list', text({ signatures: { sig: 'AA==' } })],
  ['seventeen signatures', text({ signatures: Array.from({ length: 17 }, () => ({ sig: 'AA==' })) })],
  ['a signature that is a string', text({ signatures: ['AA=='] })],
  ['a signature without sig', text({ signatures: [{ keyid: 'a' }] })],
  ['a key ID that is a number', text({ signatures: [{ keyid: 7, sig: 'AA==' }] })],
  ['a key ID of 1,025 characters', text({ signatures: [{ keyid: 'x'.repeat(1_025), sig: 'AA==' }] })],
  [
    'a signature longer than any',
    text({ signatures: [{ sig: base64(new Uint8Array(envelopeLimits.signatureBytesMax + 1)) }] }),
  ],
  ['base64 of both alphabets', text({ payload: '+_8=' })],
  ['base64 with white space', text({ payload: 'e3 0=' })],
  ['base64 with stray bits', text({ payload: 'e31=' })],
  ['base64 with too much padding', text({ payload: 'e30==' })],
  ['base64 of one character', text({ payload: 'A' })],
  ['an envelope over a megabyte', text({ payload: 'A'.repeat(1_048_576) })],
  ['JSON 10,000 deep', `${'['.repeat(10_000)}${']'.repeat(10_000)}`],
]
for (const [what, input] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(() => parseEnvelope(input), malformed)
  })
}

test('mutated envelopes are refused with a code, or parse to something that formats', () => {
  const good = formatEnvelope(envelope)
  fc.assert(
    fc.property(fc.nat(good.length), fc.nat(3), fc.string({ maxLength: 3 }), (at, dropped, inserted) => {
      try {
        const parsed = parseEnvelope(good.slice(0, at) + inserted + good.slice(at + dropped))
        assert.deepEqual(formatEnvelope(parseEnvelope(formatEnvelope(parsed))), formatEnvelope(parsed))
      } catch (error) {
        assert.ok(isQipError(error, 'QIP_CRYPTO_ENVELOPE_MALFORMED'), String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})
