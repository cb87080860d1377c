import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base64url, hex, isQipError, limits, utf8 } from '@quantum-ip/base'
import { generateProofJwk, parseProofSigner, proofAlgorithms } from '@quantum-ip/crypto'
import * as fc from 'fast-check'
import {
  proofTokenHash,
  readProofTarget,
  readProofToken,
  signProofToken,
  verifyProofToken,
} from './proof-token.ts'

const nonce = new Uint8Array(16).fill(7)
const parts = {
  token: 'qip1.abc',
  uri: 'https://Shop.Acme.Example:443/cart?x=1#y',
  nowS: 1_800_000_000.7,
  nonce,
}

for (const alg of proofAlgorithms) {
  test(`makes a proof with ${alg} that is read back, and holds`, async () => {
    const signer = parseProofSigner(generateProofJwk(alg))
    const text = await signProofToken({ ...parts, signer })
    const proof = readProofToken(text)
    assert.ok(proof)
    const { key, target, exp, iat, jti, tokenHash } = await verifyProofToken(proof)
    assert.deepEqual(key, signer.key)
    assert.deepEqual(target, { scheme: 'https', authority: 'shop.acme.example', path: '/cart' })
    assert.deepEqual([iat, exp, jti], [1_800_000_000, 1_800_000_030, base64url(nonce)])
    assert.equal(hex(tokenHash), hex(proofTokenHash('qip1.abc')))
    assert.ok(text.length < limits.headerFieldMax)
  })
}

test('fits into a field with ML-DSA-44 and the longest URI that proofs are made for', async () => {
  const signer = parseProofSigner(generateProofJwk('ML-DSA-44'))
  const uri = `https://a.example/${'x'.repeat(1_200 - 18)}`
  const text = await signProofToken({ ...parts, signer, uri })
  assert.ok(text.length <= limits.headerFieldMax, String(text.length))
  assert.ok(readProofToken(text))
  await assert.rejects(signProofToken({ ...parts, signer, uri: `${uri}x` }), {
    code: 'QIP_TOKEN_REQUEST_PART_MALFORMED',
  })
})

test('makes no proof for what is no http URI, for long, or with a short nonce', async () => {
  const signer = parseProofSigner(generateProofJwk('Ed25519'))
  const bad = (changes: object) => signProofToken({ ...parts, signer, ...changes })
  for (const uri of ['', '/cart', 'ftp://a.example/', 'https://u@a.example/', 'https://a.example/ü']) {
    await assert.rejects(bad({ uri }), { code: 'QIP_TOKEN_REQUEST_PART_MALFORMED' })
  }
  await assert.rejects(bad({ ttlS: 61 }), TypeError)
  await assert.rejects(bad({ nonce: new Uint8Array(8) }), TypeError)
})

test('reads a target in one way', () => {
  const plain = { scheme: 'http', authority: 'a.example', path: '/' }
  assert.deepEqual(readProofTarget('http://a.example'), plain)
  assert.deepEqual(readProofTarget('http://A.example:80/'), plain)
  assert.deepEqual(readProofTarget('http://a.example/%2e/b'), { ...plain, path: '/%2e/b' })
  for (const uri of [
    'http://',
    'http:///x',
    'http://a/?',
    'http://a/#',
    'http://a b/',
    'http://a\\b/',
    'HTTP://a/',
  ])
    assert.equal(readProofTarget(uri), undefined, uri)
})

const signer = parseProofSigner(generateProofJwk('Ed25519'))
const good = await signProofToken({ ...parts, signer })

test('reads no other text as a proof, and never throws', () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.base64String(), { minLength: 3, maxLength: 3 }).map((three) => three.join('.')),
    fc.tuple(fc.json(), fc.json()).map((two) => `${two.map((text) => base64url(utf8(text))).join('.')}.AAAA`),
  )
  fc.assert(
    fc.property(anyText, (text) => {
      assert.equal(readProofToken(text), undefined)
    }),
  )
})

test('a proof that was changed in one place does not hold', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }), async (at, code) => {
      const text = `${good.slice(0, at)}${String.fromCharCode(code)}${good.slice(at + 1)}`
      if (text === good) return
      const proof = readProofToken(text)
      if (proof === undefined) return
      await assert.rejects(verifyProofToken(proof), (error) => isQipError(error))
    }),
  )
})

test('members of any header and payload but the known ones are refused', async () => {
  const [header = '', payload = '', signature = ''] = good.split('.')
  const known = new Set(['alg', 'jwk', 'typ', 'aud', 'exp', 'iat', 'jti', 'wth'])
  const name = fc.string().filter((text) => !known.has(text))
  fc.assert(
    fc.property(name, (member) => {
      assert.equal(readProofToken(`${withMember(header, member)}.${payload}.${signature}`), undefined)
      assert.equal(readProofToken(`${header}.${withMember(payload, member)}.${signature}`), undefined)
    }),
  )
})

function withMember(text: string, member: string): string {
  const members = JSON.parse(Buffer.from(text, 'base64url').toString()) as object
  // Built by entries, so that `__proto__` is a member like any other.
  return base64url(utf8(JSON.stringify(Object.fromEntries([...Object.entries(members), [member, 1]]))))
}
