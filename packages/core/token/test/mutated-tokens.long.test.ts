import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generatePrivateKey } from '@quantum-ip/crypto'
import { seededRandom } from '@quantum-ip/testing'
import {
  formatMerkleToken,
  formatReferenceToken,
  jwtPayload,
  parseJwtToken,
  parseMerkleToken,
  parseReferenceToken,
  readToken,
  signJwtToken,
  tokenDigest,
  TokenRefusal,
} from '@quantum-ip/token'
import { counting, fullClaims, mutations, someToken } from './fixtures.ts'

const count = 100_000
const jwt = await signJwtToken(
  jwtPayload({ claims: fullClaims, log: 1, index: 1 }),
  generatePrivateKey('ML-DSA-44', seededRandom('long')),
)

/** Parses and asserts that what throws has one of our codes. */
function codedOnly(parse: () => unknown): void {
  try {
    parse()
  } catch (error) {
    assert.match((error as { code: string }).code, /^QIP_TOKEN_(?:MALFORMED|TRUNCATED)$/)
  }
}

test(`gives each of ${count} damaged Merkle tokens a code, or reads it for what it is`, () => {
  for (const bytes of mutations(Buffer.from(someToken.slice(5), 'base64url'), count, 'long merkle')) {
    const text = `qip1.${Buffer.from(bytes).toString('base64url')}`
    codedOnly(() => parseMerkleToken(text))
    const token = readToken(text)
    if (!(token instanceof TokenRefusal) && token.form === 'compact')
      assert.equal(formatMerkleToken(token), text)
  }
})

test(`gives each of ${count} damaged texts a code`, () => {
  const texts = [someToken, jwt, formatReferenceToken({ keyId: 1, handle: counting(16) })]
  for (const [i, whole] of texts.entries()) {
    for (const bytes of mutations(Buffer.from(whole, 'latin1'), count / 2, `long text ${i}`)) {
      const text = Buffer.from(bytes).toString('latin1')
      codedOnly(() => parseMerkleToken(text))
      codedOnly(() => parseReferenceToken(text))
      codedOnly(() => parseJwtToken(text, { isKnownKid: () => true }))
      const token = readToken(text)
      if (token instanceof TokenRefusal || token.form === 'reference') continue
      // The signature is all that may differ in what is still a token: it is no part of its identity.
      if (token.form === 'jwt') assert.deepEqual(token.digest, tokenDigest(token.payload))
      else assert.equal(formatMerkleToken(token), text)
    }
  }
})
