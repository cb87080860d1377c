import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex, parseHex, utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { evaluateSubtreeInclusion, rangeHash } from '@quantum-ip/log'
import {
  encodeClaims,
  formatMerkleToken,
  type MerkleToken,
  readMerkleToken,
  tokenLeafHash,
  TokenRefusal,
} from '@quantum-ip/token'
import * as cborg from 'cborg'
import { plainClaims } from './fixtures.ts'

// 32 entries: exp = 1790000000 + i, digest = SHA-256("claims i"). The token is the one at index 13, its head that of [8, 15).
// The expected values were computed by another implementation.
const leaves = Array.from({ length: 32 }, (_, i) =>
  tokenLeafHash({ exp: 1_790_000_000 + i, digest: sha256(utf8(`claims ${i}`)) }),
)
const leafHash = parseHex('eb07500e68f664b10dbef7013b50629de1d5a230758525d3b5b1409bc9612faa')
const path = [
  '8a3529d029c12115c03a07bd11daa77e1c884a5b7b93f008974d1d5834879a03',
  'd2411468b442d035c3c54e58ffbe3e32f201def5d2a6854308ca91e7b41cddc9',
  'aee315ce54e82ae95f1aff7b1ba8568a7a681bda9ea8d6e61020641b6a7d4cb2',
].map(parseHex)
const hash = '3c768a6859eb2b85c3849b9f13ed36cbca0dc3d672c86ee09038c2d042bac31d'

/**
 * Where the token is moved to, and what comes of it: `refused` by the parser, a proof of the wrong length for the place, the
 * hash it evaluates to, or `same`: the very hash of the head. Of the last kind no hash can tell, hence heads
 * are held by their tuple.
 */
const moved: readonly (readonly [
  title: string,
  index: number,
  start: number,
  end: number,
  outcome: string,
])[] = [
  ['the index one less', 12, 8, 15, '709d0612ce6230e6068b2c3be07c3a24a3f48a590bd6cfad23b1511f6ee3294b'],
  ['the index one more', 14, 8, 15, 'wrong length'],
  ['the index at the start', 8, 8, 15, '64b27f31f733eafa958e654556cfaa3f8ff7e190f0145fdb58fa5d9f8bfbedb8'],
  ['the index before the start', 7, 8, 15, 'refused'],
  ['the index at the end', 15, 8, 15, 'refused'],
  ['the end at the index', 13, 8, 13, 'refused'],
  ['the end one less', 13, 8, 14, 'wrong length'],
  ['the end one more', 13, 8, 16, 'same'],
  ['the end two more', 13, 8, 17, 'refused'],
  ['index and end into the left half', 11, 8, 12, 'wrong length'],
  ['the start one less', 13, 7, 15, 'refused'],
  ['the start one more', 13, 9, 15, 'refused'],
  ['the start to 0', 13, 0, 15, 'wrong length'],
  ['start and end to twice the size', 13, 0, 16, 'wrong length'],
  ['the start to the right half', 13, 12, 15, 'wrong length'],
  ['start and end to the leaf alone', 13, 13, 14, 'wrong length'],
  ['start and end exchanged', 13, 15, 8, 'refused'],
  ['start and end to nothing', 13, 13, 13, 'refused'],
  ['all one more', 14, 9, 16, 'refused'],
  ['all one less', 12, 7, 14, 'refused'],
  ['all four more', 17, 12, 19, 'refused'],
  ['all eight less', 5, 0, 7, 'same'],
  ['all eight more', 21, 16, 23, 'same'],
  ['all eight less and the end one more', 5, 0, 8, 'same'],
  ['all 2^32 more', 2 ** 32 + 13, 2 ** 32 + 8, 2 ** 32 + 15, 'same'],
  ['all 2^48 more', 2 ** 48 + 13, 2 ** 48 + 8, 2 ** 48 + 15, 'refused'],
]

const claimsBytes = encodeClaims(plainClaims)

/** A token for any position, valid or not: written by the second engine, which does not care. */
function tokenAt(index: number, start: number, end: number): string {
  const array = [
    claimsBytes,
    Uint8Array.of(0, 0, 0, 7),
    index,
    start,
    end,
    Uint8Array.from(path.flatMap((p) => [...p])),
  ]
  return `qip1.${Buffer.from(cborg.encode(array, cborg.rfc8949EncodeOptions)).toString('base64url')}`
}

function evaluate(token: MerkleToken): string {
  try {
    return hex(evaluateSubtreeInclusion({ ...token, leafHash, proof: token.path }))
  } catch (error) {
    assert.equal((error as { code: string }).code, 'QIP_LOG_PROOF_MALFORMED')
    return 'wrong length'
  }
}

test('accepts the token where it is', () => {
  assert.equal(hex(tokenLeafHash({ exp: 1_790_000_013, digest: sha256(utf8('claims 13')) })), hex(leafHash))
  assert.equal(hex(rangeHash(leaves.slice(8, 15))), hash)
  const text = formatMerkleToken({ claimsBytes, keyId: 7, index: 13, start: 8, end: 15, path })
  assert.equal(text, tokenAt(13, 8, 15))
  const token = readMerkleToken(text)
  assert.ok(!(token instanceof TokenRefusal))
  assert.equal(evaluate(token), hash)
})

for (const [title, index, start, end, outcome] of moved) {
  test(`does not accept the same path with ${title}`, () => {
    const token = readMerkleToken(tokenAt(index, start, end))
    if (outcome === 'refused') {
      assert.ok(token instanceof TokenRefusal && !token.truncated)
      assert.throws(() => formatMerkleToken({ claimsBytes, keyId: 7, index, start, end, path }), TypeError)
      return
    }
    assert.ok(!(token instanceof TokenRefusal))
    assert.equal(evaluate(token), outcome === 'same' ? hash : outcome)
    // What a verifier holds: the hash under its tuple, and never the set of hashes.
    const held = new Map([['8-15', hash]])
    assert.notEqual(held.get(`${token.start}-${token.end}`), evaluate(token))
  })
}

test('finds no second index under the same head, and no second leaf there', () => {
  for (let index = 8; index < 15; index++) {
    for (const [i, leaf] of leaves.entries()) {
      let found: string
      try {
        found = hex(evaluateSubtreeInclusion({ index, start: 8, end: 15, leafHash: leaf, proof: path }))
      } catch {
        continue
      }
      assert.equal(found === hash, index === 13 && i === 13)
    }
  }
})
