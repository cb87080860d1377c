import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex, isQipError } from '@quantum-ip/base'
import { readVectors, skipWithoutVectors } from '@quantum-ip/testing'
import { ml_dsa44, ml_dsa65 } from '@noble/post-quantum/ml-dsa.js'
import {
  jwkThumbprint,
  parsePrivateKey,
  parsePublicJwk,
  parsePublicKey,
  verifySignature,
  verifySignatureSync,
} from '../src/index.ts'

interface Case {
  readonly tcId: number
  readonly comment: string
  readonly msg?: string
  readonly ctx?: string
  readonly sig: string
  readonly result: 'valid' | 'invalid'
  readonly flags: readonly string[]
}
interface Group {
  readonly publicKey?: unknown
  readonly publicKeyJwk?: unknown
  readonly privateSeed?: string
  readonly public?: unknown
  readonly tests: readonly Case[]
}

const skip = skipWithoutVectors('wycheproof')
const bytes = (text: string) => Buffer.from(text, 'hex')

function groupsOf(name: string): { groups: readonly Group[]; total: number } {
  const file = readVectors(`wycheproof/${name}_test`) as { testGroups: Group[]; numberOfTests: number }
  return { groups: file.testGroups, total: file.numberOfTests }
}

// Whether `attempt` succeeds; anything but one of our refusals is a bug and comes through.
async function accepts(attempt: () => Promise<void>): Promise<boolean> {
  try {
    await attempt()
    return true
  } catch (error) {
    if (!isQipError(error)) throw error
    return false
  }
}

for (const [alg, name, count] of [
  ['ML-DSA-44', 'mldsa_44_verify', 180],
  ['ML-DSA-65', 'mldsa_65_verify', 210],
] as const) {
  test(
    `${alg}: all ${count} verification cases come out as they must, on and off the event loop`,
    { skip },
    async () => {
      const { groups, total } = groupsOf(name)
      let run = 0
      for (const group of groups) {
        for (const { tcId, comment, msg, ctx, sig, result } of group.tests) {
          const input = () => ({
            key: parsePublicKey(alg, bytes(group.publicKey as string)),
            message: bytes(msg as string),
            signature: bytes(sig),
            context: ctx === undefined ? undefined : bytes(ctx),
          })
          const expected = result === 'valid'
          assert.equal(await accepts(async () => verifySignature(input())), expected, `${tcId}: ${comment}`)
          assert.equal(
            await accepts(async () => verifySignatureSync(input())),
            expected,
            `${tcId}: ${comment}`,
          )
          run++
        }
      }
      assert.deepEqual([run, total], [count, count])
    },
  )
}

for (const [alg, name, counts, noble] of [
  ['ML-DSA-44', 'mldsa_44_sign_seed', { held: 74, internal: 8, refused: 4 }, ml_dsa44],
  ['ML-DSA-65', 'mldsa_65_sign_seed', { held: 84, internal: 17, refused: 4 }, ml_dsa65],
] as const) {
  // Node signs hedged only, so that our signatures are not the deterministic ones listed: both must hold instead. Cases
  // with nothing but the inner digest μ are checked for their key alone, as Node has no interface that takes μ.
  test(
    `${alg}: all seeded signing cases give the listed key, and both signatures hold`,
    { skip },
    async () => {
      const { groups, total } = groupsOf(name)
      const found = { held: 0, internal: 0, refused: 0 }
      for (const group of groups) {
        for (const { tcId, comment, msg, ctx, sig, result } of group.tests) {
          const context = ctx === undefined ? undefined : bytes(ctx)
          const seed = bytes(group.privateSeed as string)
          if (result === 'invalid') {
            const sign = async () =>
              void (await parsePrivateKey(alg, seed).sign(bytes(msg as string), { context }))
            assert.equal(await accepts(sign), false, `${tcId}: ${comment}`)
            found.refused++
            continue
          }
          const key = parsePrivateKey(alg, seed)
          assert.equal(hex(key.publicKey.bytes), group.publicKey, `${tcId}: ${comment}`)
          if (msg === undefined) {
            found.internal++
            continue
          }
          const message = bytes(msg)
          await verifySignature({ key: key.publicKey, message, signature: bytes(sig), context })
          const ours = await key.sign(message, { context })
          assert.ok(
            noble.verify(ours, message, key.publicKey.bytes, context === undefined ? {} : { context }),
          )
          found.held++
        }
      }
      assert.deepEqual(found, counts)
      assert.equal(found.held + found.internal + found.refused, total)
    },
  )
}

test('Ed25519: all 151 cases come out as they must, keys taken raw and as JWK', { skip }, async () => {
  const { groups, total } = groupsOf('ed25519')
  let run = 0
  for (const group of groups) {
    const raw = bytes((group.publicKey as { pk: string }).pk)
    const keys = [parsePublicKey('Ed25519', raw), parsePublicJwk(group.publicKeyJwk)]
    assert.equal(keys[0]?.kid, keys[1]?.kid)
    assert.equal(jwkThumbprint(group.publicKeyJwk), keys[0]?.kid)
    for (const { tcId, comment, msg, sig, result } of group.tests) {
      for (const key of keys) {
        const verify = () => verifySignature({ key, message: bytes(msg as string), signature: bytes(sig) })
        assert.equal(await accepts(verify), result === 'valid', `${tcId}: ${comment}`)
      }
      run++
    }
  }
  assert.deepEqual([run, total], [151, 151])
})

test(
  'every key of the JSON Web Signature cases is refused: none is of an algorithm of ours',
  { skip },
  () => {
    const { groups } = groupsOf('json_web_signature')
    let refused = 0
    for (const { public: jwk } of groups) {
      if (jwk === undefined) continue
      assert.throws(() => parsePublicJwk(jwk, { composites: true, privateMembers: 'ignore' }), {
        code: 'QIP_CRYPTO_JWK_MALFORMED',
      })
      refused++
    }
    assert.equal(refused, 19)
  },
)
