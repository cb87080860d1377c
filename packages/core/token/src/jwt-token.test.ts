import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { base64url, type JsonObject, utf8 } from '@quantum-ip/base'
import { generatePrivateKey, publicJwk, sha256, type SignatureAlgorithm } from '@quantum-ip/crypto'
import { leafHash } from '@quantum-ip/log'
import { seededRandom } from '@quantum-ip/testing'
import * as fc from 'fast-check'
import { compactVerify, importJWK, jwtVerify } from 'jose'
import { anyClaims, fullClaims, plainClaims } from '../test/fixtures.ts'
import { claimsToJson } from './claims-json.ts'
import { jwtPayload, parseJwtToken, signJwtToken, verifyJwtToken } from './jwt-token.ts'
import { readJwtToken } from './read-jwt-token.ts'
import { classifyToken } from './read-token.ts'
import { tokenEntry } from './token-entry.ts'
import { TokenRefusal } from './token-refusal.ts'

const algorithms: readonly SignatureAlgorithm[] = [
  'ML-DSA-44',
  'ML-DSA-65',
  'ML-DSA-87',
  'ML-DSA-44-Ed25519',
  'ML-DSA-65-Ed25519',
]
const keyOf = (alg: SignatureAlgorithm, seed: string) =>
  generatePrivateKey(alg, seededRandom(seed), { composites: true })
const key = keyOf('ML-DSA-44', 'jwt')
const payload = jwtPayload({ claims: fullClaims, log: 7, index: 812_345 })
const text = await signJwtToken(payload, key)
const [headerText = '', payloadText = '', signatureText = ''] = text.split('.')
const isKnownKid = (kid: string) => kid === key.publicKey.kid

for (const alg of algorithms) {
  test(`signs and verifies with ${alg}`, async () => {
    const signer = keyOf(alg, alg)
    const signed = await signJwtToken(payload, signer)
    assert.ok(signed.length <= 8_000)
    const token = await verifyJwtToken(parseJwtToken(signed), signer.publicKey)
    assert.deepEqual(
      [token.form, token.alg, token.kid, token.log, token.index],
      ['jwt', alg, signer.publicKey.kid, 7, 812_345],
    )
    assert.deepEqual(token.claims, fullClaims)
  })
}

test('writes the header and the payload of the wire format', () => {
  assert.deepEqual(JSON.parse(Buffer.from(headerText, 'base64url').toString()), {
    alg: 'ML-DSA-44',
    kid: key.publicKey.kid,
    typ: 'qip+jwt',
  })
  assert.deepEqual(JSON.parse(Buffer.from(payloadText, 'base64url').toString()), {
    iss: 'spiffe://acme.example',
    ...claimsToJson(fullClaims),
    log: 7,
    idx: 812_345,
  })
})

test('is a JWT to another implementation', async () => {
  const jwk = await importJWK(publicJwk(key.publicKey) as never, 'ML-DSA-44')
  const { payload: claims, protectedHeader } = await jwtVerify(text, jwk, {
    typ: 'qip+jwt',
    algorithms: ['ML-DSA-44'],
    issuer: 'spiffe://acme.example',
    audience: plainClaims.aud[0] ?? '',
    currentDate: new Date(plainClaims.iat * 1_000),
  })
  assert.equal(protectedHeader.kid, key.publicKey.kid)
  assert.equal(claims.sub, plainClaims.sub)
  await assert.rejects(compactVerify(`${text.slice(0, -3)}AAA`, jwk))
})

test('has the digest of its payload, and the leaf hash of an entry of type 02', () => {
  const token = parseJwtToken(text)
  const digest = sha256(payload)
  assert.deepEqual(token.digest, digest)
  const entry = tokenEntry({ form: 'jwt', exp: fullClaims.exp, digest })
  assert.equal(entry[1], 2)
  assert.deepEqual(token.leafHash, leafHash(entry))
})

test('carries every set of claims that fits', () => {
  fc.assert(
    fc.property(anyClaims, (claims) => {
      let bytes: Uint8Array
      try {
        bytes = jwtPayload({ claims, log: 1, index: 0 })
      } catch (error) {
        assert.equal((error as { code: string }).code, 'QIP_TOKEN_CLAIMS_INVALID')
        return
      }
      const token = parseJwtToken(`${headerText}.${base64url(bytes)}.${signatureText}`)
      assert.deepEqual(token.claims, claims)
    }),
    { numRuns: 60 },
  )
})

test('verifies with no other key, no other algorithm and no other bytes', async () => {
  const token = parseJwtToken(text)
  const other = keyOf('ML-DSA-44', 'other').publicKey
  await assert.rejects(verifyJwtToken(token, other), {
    code: 'QIP_TOKEN_KEY_MISMATCH',
    details: { member: 'kid' },
  })
  const sameKid = { ...keyOf('ML-DSA-65', 'x').publicKey, kid: key.publicKey.kid }
  await assert.rejects(verifyJwtToken(token, sameKid), {
    code: 'QIP_TOKEN_KEY_MISMATCH',
    details: { member: 'alg' },
  })
  const changed = jwtPayload({ claims: fullClaims, log: 7, index: 812_346 })
  const forged = parseJwtToken(`${headerText}.${base64url(changed)}.${signatureText}`)
  await assert.rejects(verifyJwtToken(forged, key.publicKey), { code: 'QIP_CRYPTO_SIGNATURE_INVALID' })
})

const header = { alg: 'ML-DSA-44', kid: key.publicKey.kid, typ: 'qip+jwt' }
const withHeader = (value: unknown) =>
  `${base64url(utf8(typeof value === 'string' ? value : JSON.stringify(value)))}.${payloadText}.${signatureText}`
const claims = JSON.parse(Buffer.from(payload).toString()) as JsonObject
const nonce = base64url(fullClaims.jti)
const withPayload = (value: unknown) =>
  `${headerText}.${base64url(utf8(typeof value === 'string' ? value : JSON.stringify(value)))}.${signatureText}`

const malformed: readonly (readonly [title: string, text: string])[] = [
  ['`crit`', withHeader({ ...header, crit: ['exp'] })],
  ['`b64`', withHeader({ ...header, b64: true })],
  ['`jwk`', withHeader({ ...header, jwk: publicJwk(key.publicKey) })],
  ['`jku`', withHeader({ ...header, jku: 'https://a.example' })],
  ['`x5u`', withHeader({ ...header, x5u: 'https://a.example' })],
  ['`x5c`', withHeader({ ...header, x5c: [] })],
  ['a header with an unknown member', withHeader({ ...header, cty: 'x' })],
  ['no `typ`', withHeader({ alg: header.alg, kid: header.kid })],
  ['`typ` JWT', withHeader({ ...header, typ: 'JWT' })],
  ['`typ` in capitals', withHeader({ ...header, typ: 'QIP+JWT' })],
  ['no `kid`', withHeader({ alg: header.alg, typ: header.typ })],
  ['a `kid` that is no thumbprint', withHeader({ ...header, kid: '../../etc' })],
  ['`alg` none', withHeader({ ...header, alg: 'none' })],
  ['`alg` ES256', withHeader({ ...header, alg: 'ES256' })],
  ['`alg` constructor', withHeader({ ...header, alg: 'constructor' })],
  ['a header with a name twice', withHeader(JSON.stringify(header).replace('{', '{"alg":"none",'))],
  ['a header that is an array', withHeader('{"a":1}'.replace('{"a":1}', '[{"a":1}]'))],
  ['a payload with a name twice', withPayload(JSON.stringify(claims).replace('{', '{"sub":"spiffe://a/b",'))],
  ['a payload that is no object', withPayload([claims])],
  ['another issuer', withPayload({ ...claims, iss: 'spiffe://evil.example' })],
  ['no issuer', withPayload({ ...claims, iss: undefined })],
  ['no log', withPayload({ ...claims, log: undefined })],
  ['log 0', withPayload({ ...claims, log: 0 })],
  ['an index that is a string', withPayload({ ...claims, idx: '5' })],
  ['a negative index', withPayload({ ...claims, idx: -1 })],
  ['an index of 2^48', withPayload({ ...claims, idx: 2 ** 48 })],
  ['an unknown claim', withPayload({ ...claims, nbf: 5 })],
  ['a claim that is null', withPayload({ ...claims, bld: null })],
  ['an audience as array of one', withPayload({ ...claims, aud: [plainClaims.aud[0]] })],
  ['a nonce with padding', withPayload({ ...claims, jti: `${nonce}==` })],
  ['a nonce of 15 bytes', withPayload({ ...claims, jti: 'AAAAAAAAAAAAAAAAAAAA' })],
  ['an exp that is a string', withPayload({ ...claims, exp: `${fullClaims.exp}` })],
  ['an exp with a fraction', withPayload({ ...claims, exp: fullClaims.iat + 0.5 })],
  ['a lifetime over the limit', withPayload({ ...claims, use: undefined, exp: fullClaims.iat + 3_601 })],
  ['a confirmation with two members', withPayload({ ...claims, cnf: { jkt: 'AA', 'x5t#S256': 'AA' } })],
  ['a confirmation of another kind', withPayload({ ...claims, cnf: { kid: 'AA' } })],
  ['a hop of four', withPayload({ ...claims, chn: [['spiffe://a/b', 1, 1, 1]] })],
  ['a hop with a text for a number', withPayload({ ...claims, chn: [['spiffe://a/b', 1, 1, '1', 1]] })],
  ['an attestation of three', withPayload({ ...claims, att: [1, 2, 3] })],
  ['a payload over 3 KB', withPayload(`${JSON.stringify(claims)}${' '.repeat(3_000)}`)],
  [
    'a payload in UTF-16',
    `${headerText}.${Buffer.from(JSON.stringify(claims), 'utf16le').toString('base64url')}.${signatureText}`,
  ],
  ['four parts', `${text}.AAAA`],
  [
    'JSON serialization',
    JSON.stringify({ protected: headerText, payload: payloadText, signature: signatureText }),
  ],
  ['padding', `${text}=`],
  ['a longer signature', `${text}AAAA`],
  ['spare bits in the signature', `${text.slice(0, -1)}${text.endsWith('B') ? 'C' : 'B'}`],
  ['plain base64', `${headerText}.${payloadText}.${signatureText.replaceAll('-', '+').replaceAll('_', '/')}`],
  ['a space at the beginning', ` ${text}`],
]

for (const [title, wrong] of malformed) {
  test(`refuses ${title}`, () => {
    const refused = readJwtToken(wrong, { isKnownKid })
    assert.ok(refused instanceof TokenRefusal && !refused.truncated)
    assert.throws(
      () => parseJwtToken(wrong),
      (error: { code: string }) => {
        assert.equal(error.code, 'QIP_TOKEN_MALFORMED')
        // Neither the nonce nor a piece of what was sent.
        const shown = inspect(error, { depth: 9, showHidden: true })
        return ![nonce, payloadText.slice(0, 12), signatureText.slice(0, 12)].some((part) =>
          shown.includes(part),
        )
      },
    )
  })
}

test('calls a beginning truncated from the end of the header on, if the key is known', () => {
  for (let length = 0; length < text.length; length++) {
    // Every place around the dots, and some in between.
    const nearDot = [headerText.length, headerText.length + 1 + payloadText.length, text.length].some(
      (place) => Math.abs(place - length) < 6,
    )
    if (!nearDot && length % 37 !== 0) continue
    const beginning = text.slice(0, length)
    const expected = length < headerText.length ? 'malformed' : 'truncated'
    assert.equal(classifyToken(beginning, { isKnownKid }), expected, `${length} characters`)
    assert.equal(classifyToken(beginning), 'malformed')
    assert.equal(classifyToken(beginning, { isKnownKid: () => false }), 'malformed')
  }
  assert.equal(classifyToken(text, { isKnownKid }), 'jwt')
  assert.throws(() => parseJwtToken(text.slice(0, -1), { isKnownKid }), { code: 'QIP_TOKEN_TRUNCATED' })
})

test('calls a beginning malformed where what is there is no such token', () => {
  const cut = (whole: string) => classifyToken(whole.slice(0, -100), { isKnownKid })
  assert.equal(cut(withHeader({ ...header, typ: 'JWT' })), 'malformed')
  assert.equal(cut(withPayload({ ...claims, nbf: 1 })), 'malformed')
  assert.equal(classifyToken(`${headerText}.${payloadText}.AAA+`, { isKnownKid }), 'malformed')
  assert.equal(classifyToken(`${headerText}.${payloadText.slice(0, 50)}=`, { isKnownKid }), 'malformed')
})

test('refuses to make a token that would not be read', async () => {
  const id = `spiffe://a/${'b'.repeat(501)}`
  assert.throws(
    () => jwtPayload({ claims: { ...plainClaims, aud: [id, id, id, id, id, id] }, log: 1, index: 0 }),
    {
      code: 'QIP_TOKEN_CLAIMS_INVALID',
    },
  )
  assert.throws(() => jwtPayload({ claims: plainClaims, log: 0, index: 0 }), TypeError)
  assert.throws(() => jwtPayload({ claims: plainClaims, log: 1, index: 2 ** 48 }), TypeError)
  await assert.rejects(signJwtToken(new Uint8Array(3_000), keyOf('ML-DSA-87', 'big')), {
    code: 'QIP_TOKEN_TOO_LONG',
  })
})
