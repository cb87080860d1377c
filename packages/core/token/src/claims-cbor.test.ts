import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex, parseHex } from '@quantum-ip/base'
import * as cborg from 'cborg'
import * as fc from 'fast-check'
import { anyClaims, counting, fullClaims, hop, mutations, plainClaims } from '../test/fixtures.ts'
import { decodeClaims, encodeClaims } from './claims-cbor.ts'
import { parseClaimsJson, claimsToJson } from './claims-json.ts'
import type { Claims } from './claims.ts'
import { refusals } from './lib/refusals.ts'
import { TokenError } from './token-errors.ts'

const checkout = hex(Buffer.from(plainClaims.sub))
const shop = hex(Buffer.from(plainClaims.aud[0] ?? ''))
const edge = hex(Buffer.from(hop.sid))
const gateway = hex(Buffer.from('spiffe://partner.example/gateway'))

const plainHex = [
  'a5',
  `02 7829 ${checkout}`,
  `03 7825 ${shop}`,
  '04 1a 6ab13cac',
  '06 1a 6ab13b80',
  '07 50 000102030405060708090a0b0c0d0e0f',
]
  .join(' ')
  .replaceAll(' ', '')

const fullHex = [
  'ac',
  `02 7829 ${checkout}`,
  `03 7825 ${shop}`,
  '04 1a 6ab13bf8',
  '06 1a 6ab13b80',
  '07 50 000102030405060708090a0b0c0d0e0f',
  '08 a1 636a6b74 5820 101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f',
  '63617474 82 01 1a000c6539',
  '63626576 02',
  '63626c64 5820 303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f',
  '6363686e 82',
  `85 7825 ${edge} 01 1a00011170 07 1b0000010000000000`,
  `85 7820 ${gateway} 00 00 01 17`,
  '63726571 5820 505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f',
  '63757365 01',
]
  .join(' ')
  .replaceAll(' ', '')

test('encodes claims as the layout says, byte for byte', () => {
  assert.equal(hex(encodeClaims(plainClaims)), plainHex)
  assert.equal(hex(encodeClaims(fullClaims)), fullHex)
  const several = encodeClaims({ ...plainClaims, aud: [...plainClaims.aud, 'spiffe://a/b'] })
  assert.match(hex(several), new RegExp(`03827825${shop}6c${hex(Buffer.from('spiffe://a/b'))}04`))
  const certificate = encodeClaims({ ...plainClaims, cnf: { x5tS256: counting(32) } })
  assert.match(hex(certificate), /08a168783574235332353658200001/)
})

test('decodes what it encoded', () => {
  for (const claims of [plainClaims, fullClaims]) assert.deepEqual(decodeClaims(encodeClaims(claims)), claims)
  fc.assert(
    fc.property(anyClaims, (claims) => {
      assert.deepEqual(decodeClaims(encodeClaims(claims)), claims)
    }),
    { numRuns: 300 },
  )
})

// The same claims as a general codec sees them.
function asMap(claims: Claims): Map<number | string, unknown> {
  const map = new Map<number | string, unknown>([
    ['use', claims.use],
    ['req', claims.req],
    ['chn', claims.chn?.map((each) => [each.sid, each.attLog, each.attIndex, each.log, each.index])],
    ['bld', claims.bld],
    ['bev', claims.bev],
    ['att', claims.att],
    [
      8,
      claims.cnf &&
        new Map(
          claims.cnf.jkt === undefined ? [['x5t#S256', claims.cnf.x5tS256]] : [['jkt', claims.cnf.jkt]],
        ),
    ],
    [7, claims.jti],
    [6, claims.iat],
    [4, claims.exp],
    [3, claims.aud.length === 1 ? claims.aud[0] : claims.aud],
    [2, claims.sub],
  ])
  for (const [key, value] of map) if (value === undefined) map.delete(key)
  return map
}

test('agrees with a second engine in both directions', () => {
  fc.assert(
    fc.property(anyClaims, (claims) => {
      const encoded = encodeClaims(claims)
      assert.equal(hex(cborg.encode(asMap(claims), cborg.rfc8949EncodeOptions)), hex(encoded))
      const decoded = cborg.decode(encoded, {
        useMaps: true,
        strict: true,
        rejectDuplicateMapKeys: true,
      }) as Map<unknown, unknown>
      assert.deepEqual(new Map([...decoded].reverse()), asMap(decodeClaims(encoded)))
    }),
    { numRuns: 300 },
  )
})

/** `plainHex` or `fullHex` with one place changed, which must be there exactly once. */
function changed(from: string, to: string, text = fullHex): string {
  const [find, put] = [from.replaceAll(' ', ''), to.replaceAll(' ', '')]
  assert.equal(text.split(find).length, 2, `\`${from}\` must occur once`)
  return text.replace(find, put)
}

const long = hex(Buffer.from(`spiffe://a/${'b'.repeat(502)}`))

const malformed: readonly (readonly [title: string, why: keyof typeof refusals, hex: string])[] = [
  ['nothing', 'overrun', ''],
  ['something behind', 'trailing', `${plainHex}00`],
  ['a missing end', 'overrun', plainHex.slice(0, -2)],
  ['a map of four', 'count', changed('a5 02', 'a4 02', plainHex)],
  ['a map of thirteen', 'count', changed('ac 02', 'ad 02')],
  ['a map that says one more', 'unknownClaim', changed('a5 02', 'a6 02', plainHex)],
  ['a map that says one less', 'trailing', changed('ac 02', 'ab 02')],
  ['a map of indefinite length', 'wrongType', `${changed('a5 02', 'bf 02', plainHex)}ff`],
  ['a map with a long head', 'notShortest', changed('a5 02', 'b805 02', plainHex)],
  ['an array for the map', 'wrongType', changed('a5 02', '85 02', plainHex)],
  [
    'keys out of order',
    'missingClaim',
    changed('04 1a 6ab13cac 06 1a 6ab13b80', '06 1a 6ab13b80 04 1a 6ab13cac', plainHex),
  ],
  [
    'a claim twice',
    'keyOrder',
    `${changed('a5 02', 'a7 02', plainHex)}63626576 02 63626576 02`.replaceAll(' ', ''),
  ],
  [
    'named keys out of order',
    'keyOrder',
    changed('63617474 82 01 1a000c6539 63626576 02', '63626576 02 63617474 82 01 1a000c6539'),
  ],
  ['an unknown number as key', 'unknownClaim', `${changed('a5 02', 'a6 02', plainHex)}0901`],
  ['an unknown name as key', 'unknownClaim', `${changed('a5 02', 'a6 02', plainHex)}637a7a7a01`],
  ['an unknown long name as key', 'unknownClaim', `${changed('a5 02', 'a6 02', plainHex)}647a7a7a7a01`],
  ['a key with a long head', 'unknownClaim', changed('63626576 02', '7803626576 02')],
  ['no subject', 'count', changed(`02 7829 ${checkout}`, '', plainHex).replace(/^a5/, 'a4')],
  ['a subject in bytes', 'wrongType', changed(`02 7829 ${checkout}`, `02 5829 ${checkout}`, plainHex)],
  ['a subject that is no service ID', 'serviceId', changed('6f7574 03', '6f752f 03', plainHex)],
  ['a subject beyond ASCII', 'serviceId', changed('6f7574 03', '6f75c3 03', plainHex)],
  [
    'a subject that is a trust domain',
    'serviceId',
    changed(`02 7829 ${checkout}`, `02 6c ${hex(Buffer.from('spiffe://abc'))}`, plainHex),
  ],
  ['a subject of 513 bytes', 'size', changed(`02 7829 ${checkout}`, `02 790201 ${long}`, plainHex)],
  [
    'a text of indefinite length',
    'wrongType',
    changed(`02 7829 ${checkout}`, `02 7f 7829 ${checkout} ff`, plainHex),
  ],
  [
    'a text with a long head',
    'notShortest',
    changed(`02 7829 ${checkout}`, `02 790029 ${checkout}`, plainHex),
  ],
  ['one audience as array', 'count', changed(`03 7825 ${shop}`, `03 81 7825 ${shop}`, plainHex)],
  ['no audience', 'count', changed(`03 7825 ${shop}`, '03 80', plainHex)],
  ['nine audiences', 'count', changed(`03 7825 ${shop}`, `03 89 ${`7825${shop}`.repeat(9)}`, plainHex)],
  [
    'a bare trust domain without cnf',
    'audience',
    changed(`03 7825 ${shop}`, `03 6c ${hex(Buffer.from('spiffe://abc'))}`, plainHex),
  ],
  [
    'two audiences in a one-time token',
    'audience',
    changed(`03 7825 ${shop}`, `03 82 7825 ${shop} 7825 ${shop}`),
  ],
  ['exp before iat', 'lifetime', changed('04 1a 6ab13cac', '04 1a 6ab13b7f', plainHex)],
  ['exp equal to iat', 'lifetime', changed('04 1a 6ab13cac', '04 1a 6ab13b80', plainHex)],
  ['a lifetime of 3,601 s', 'lifetime', changed('04 1a 6ab13cac', '04 1a 6ab14991', plainHex)],
  ['a one-time lifetime of 121 s', 'lifetime', changed('04 1a 6ab13bf8', '04 1a 6ab13bf9')],
  ['exp of 2^32', 'range', changed('04 1a 6ab13cac', '04 1b 0000000100000000', plainHex)],
  ['exp as float', 'wrongType', changed('04 1a 6ab13cac', '04 fa 6ab13cac', plainHex)],
  ['a negative iat', 'wrongType', changed('06 1a 6ab13b80', '06 3a 6ab13b80', plainHex)],
  ['iat in eight bytes', 'notShortest', changed('06 1a 6ab13b80', '06 1b 00000000 6ab13b80', plainHex)],
  ['a tagged exp', 'wrongType', changed('04 1a 6ab13cac', '04 c1 1a 6ab13cac', plainHex)],
  ['jti of 15 bytes', 'size', changed('07 50 00', '07 4f', plainHex)],
  ['jti of 17 bytes', 'size', changed('07 50 00', '07 51 0000', plainHex)],
  ['cnf with another name', 'unknownClaim', changed('636a6b74', '636a6b75')],
  ['cnf with two members', 'count', changed('08 a1', '08 a2')],
  [
    'cnf without members',
    'count',
    changed('08 a1 636a6b74 5820 101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f', '08 a0'),
  ],
  ['an attestation in log 0', 'range', changed('63617474 82 01', '63617474 82 00')],
  ['an attestation at index 2^48', 'range', changed('82 01 1a000c6539', '82 01 1b0001000000000000')],
  ['an attestation log of 2^32', 'range', changed('82 01 1a000c6539', '82 1b0000000100000000 00')],
  ['an attestation of three', 'count', changed('82 01 1a000c6539', '83 01 1a000c6539 00')],
  ['bev of 4', 'range', changed('63626576 02', '63626576 04')],
  ['bld of 31 bytes', 'size', changed('63626c64 5820 30', '63626c64 581f')],
  ['an empty chain', 'count', changed('a5 02', 'a6 02', plainHex) + '6363686e80'],
  ['a hop of four', 'count', changed('85 7820', '84 7820')],
  ['a hop with an attestation index and no log', 'range', changed(`${gateway} 00 00`, `${gateway} 00 01`)],
  ['a hop in token log 0', 'range', changed(`${gateway} 00 00 01`, `${gateway} 00 00 00`)],
  ['use of 0', 'range', changed('63757365 01', '63757365 00')],
  ['use of 2', 'range', changed('63757365 01', '63757365 02')],
  ['use as true', 'range', changed('63757365 01', '63757365 f5')],
]

for (const [title, why, text] of malformed) {
  test(`refuses ${title}`, () => {
    assert.throws(() => decodeClaims(parseHex(text)), {
      code: 'QIP_TOKEN_CLAIMS_MALFORMED',
      details: { reason: refusals[why].reason },
    })
  })
}

const jwk = counting(32)
const invalid: readonly (readonly [claim: string, wrong: Partial<Record<keyof Claims, unknown>>])[] = [
  ['sub', { sub: 'spiffe://acme.example' }],
  ['sub', { sub: 7 }],
  ['aud', { aud: [] }],
  ['aud', { aud: 'spiffe://acme.example/a' }],
  ['aud', { aud: Array.from({ length: 9 }, () => plainClaims.sub) }],
  ['aud', { aud: ['spiffe://acme.example'] }],
  ['aud', { aud: ['acme.example'], cnf: { jkt: jwk } }],
  ['aud', { aud: [plainClaims.sub, plainClaims.sub], use: 1, exp: plainClaims.iat + 60 }],
  ['iat', { iat: -1 }],
  ['iat', { iat: 1.5 }],
  ['exp', { exp: plainClaims.iat }],
  ['exp', { exp: plainClaims.iat + 3_601 }],
  ['exp', { exp: plainClaims.iat + 121, use: 1 }],
  ['exp', { iat: 2 ** 32 - 1, exp: 2 ** 32 }],
  ['exp', { exp: plainClaims.iat + 0.5 }],
  ['jti', { jti: counting(15) }],
  ['jti', { jti: 'AAAAAAAAAAAAAAAA' }],
  ['cnf', { cnf: {} }],
  ['cnf', { cnf: { jkt: jwk, x5tS256: jwk } }],
  ['cnf', { cnf: { jkt: counting(31) } }],
  ['bld', { bld: counting(33) }],
  ['bev', { bev: 4 }],
  ['att', { att: [0, 1] }],
  ['att', { att: [1, 2 ** 48] }],
  ['att', { att: [1] }],
  ['use', { use: 0 }],
  ['chn', { chn: [] }],
  ['chn', { chn: Array.from({ length: 9 }, () => hop) }],
  ['chn', { chn: [{ ...hop, attLog: 0 }] }],
  ['chn', { chn: [{ ...hop, log: 0 }] }],
  ['req', { req: counting(31) }],
]

for (const [i, [claim, wrong]] of invalid.entries()) {
  test(`never encodes a wrong \`${claim}\` (${i})`, () => {
    assert.throws(
      () => encodeClaims({ ...plainClaims, ...wrong } as Claims),
      (error: TokenError) => {
        assert.equal(error.code, 'QIP_TOKEN_CLAIMS_INVALID')
        assert.equal((error.details as { claim: string }).claim, claim)
        return true
      },
    )
  })
}

test('accepts the extremes of each limit', () => {
  const id = `spiffe://a/${'b'.repeat(501)}`
  const extremes: readonly Claims[] = [
    { ...plainClaims, sub: id },
    { ...plainClaims, aud: Array.from({ length: 8 }, () => plainClaims.sub) },
    { ...plainClaims, aud: ['spiffe://acme.example'], cnf: { jkt: jwk } },
    { ...plainClaims, iat: 0, exp: 3_600 },
    { ...plainClaims, iat: 2 ** 32 - 2, exp: 2 ** 32 - 1, use: 1 },
    { ...plainClaims, att: [2 ** 32 - 1, 2 ** 48 - 1] },
    { ...plainClaims, chn: Array.from({ length: 8 }, () => hop) },
  ]
  for (const claims of extremes) assert.deepEqual(decodeClaims(encodeClaims(claims)), claims)
})

test('refuses to encode more than 3,072 bytes', () => {
  const id = `spiffe://a/${'b'.repeat(501)}`
  assert.throws(() => encodeClaims({ ...plainClaims, aud: [id, id, id, id, id, id] }), {
    code: 'QIP_TOKEN_CLAIMS_INVALID',
  })
  assert.throws(() => decodeClaims(new Uint8Array(3_073)), { code: 'QIP_TOKEN_CLAIMS_MALFORMED' })
})

test('never crashes on damaged claims, nor reads them as something that encodes differently', () => {
  let read = 0
  for (const damaged of mutations(encodeClaims(fullClaims), 4_000, 'claims')) {
    try {
      assert.equal(hex(encodeClaims(decodeClaims(damaged))), hex(damaged))
      read++
    } catch (error) {
      if (!(error instanceof TokenError)) throw error
      assert.equal(error.code, 'QIP_TOKEN_CLAIMS_MALFORMED')
    }
  }
  assert.ok(read > 100, 'flipped bytes of a digest are still claims')
})

test('carries claims through JSON and back', () => {
  fc.assert(
    fc.property(anyClaims, (claims) => {
      const json = JSON.parse(JSON.stringify(claimsToJson(claims))) as never
      assert.deepEqual(parseClaimsJson(json), claims)
    }),
    { numRuns: 100 },
  )
})
