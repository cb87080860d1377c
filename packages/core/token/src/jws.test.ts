import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base64url, utf8 } from '@quantum-ip/base'
import { generatePrivateKey, parsePublicJwk, type Signer } from '@quantum-ip/crypto'
import { readVectors, seededRandom, skipWithoutVectors } from '@quantum-ip/testing'
import { parseJws, verifyJws } from './jws.ts'

const ed25519 = generatePrivateKey('Ed25519', seededRandom('jws'))

async function sign(header: unknown, signer: Signer = ed25519): Promise<string> {
  const signed = `${base64url(utf8(JSON.stringify(header)))}.${base64url(utf8('payload'))}`
  return `${signed}.${base64url(await signer.sign(utf8(signed)))}`
}

for (const alg of ['ML_DSA_44', 'ML_DSA_65']) {
  test(`verifies the ${alg} example of RFC 9964`, { skip: skipWithoutVectors('jose') }, async () => {
    const example = readVectors(`jose/${alg}.jose.json`) as {
      jwk: Record<string, unknown>
      jws: string
      priv: string
    }
    const { priv: _, ...jwk } = example.jwk
    const key = parsePublicJwk(jwk)
    const { payload, header } = await verifyJws(example.jws, key)
    assert.match(Buffer.from(payload).toString(), /^It’s a dangerous business, Frodo/)
    assert.equal(header['kid'], key.kid)
    const wrong = `${example.jws.slice(0, -8)}AAAAAAA${example.jws.at(-1) ?? ''}`
    await assert.rejects(verifyJws(wrong, key), { code: 'QIP_CRYPTO_SIGNATURE_INVALID' })
  })
}

test('verifies Ed25519 by both of its names', async () => {
  for (const alg of ['Ed25519', 'EdDSA']) {
    const { payload } = await verifyJws(await sign({ alg }), ed25519.publicKey)
    assert.equal(Buffer.from(payload).toString(), 'payload')
  }
})

for (const member of ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c']) {
  test(`refuses a header with \`${member}\`, though the signature holds`, async () => {
    const text = await sign({ alg: 'Ed25519', [member]: [] })
    await assert.rejects(verifyJws(text, ed25519.publicKey), {
      code: 'QIP_TOKEN_JWS_HEADER_REFUSED',
      details: { member },
    })
  })
}

test('refuses an algorithm that is not that of the key', async () => {
  const mlDsa = generatePrivateKey('ML-DSA-44', seededRandom('jws'))
  for (const header of [{ alg: 'none' }, { alg: 'ML-DSA-44' }, { alg: 'ed25519' }, { alg: 1 }, {}]) {
    await assert.rejects(verifyJws(await sign(header), ed25519.publicKey), { code: 'QIP_TOKEN_KEY_MISMATCH' })
  }
  await assert.rejects(verifyJws(await sign({ alg: 'EdDSA' }), mlDsa.publicKey), {
    code: 'QIP_TOKEN_KEY_MISMATCH',
  })
})

const good = await sign({ alg: 'Ed25519' })
const [first = '', second = '', third = ''] = good.split('.')
const malformed: readonly (readonly [title: string, text: string])[] = [
  ['nothing', ''],
  ['two parts', `${first}.${second}`],
  ['four parts', `${good}.`],
  ['a header that is no JSON', `AAAA.${second}.${third}`],
  ['a header that is an array', `${base64url(utf8('[]'))}.${second}.${third}`],
  ['a header with a name twice', `${base64url(utf8('{"alg":"none","alg":"Ed25519"}'))}.${second}.${third}`],
  ['padding', `${first}.${second}.${third}==`],
  ['spare bits', `${first}.${second}.${third.slice(0, -1)}${third.endsWith('B') ? 'D' : 'B'}`],
  ['white space', `${first}. ${second}.${third}`],
  ['a line break at the end', `${good}\n`],
  ['more than 1 MB', `${first}.${'A'.repeat(1_048_576)}.${third}`],
]

for (const [title, text] of malformed) {
  test(`refuses ${title}`, () => assert.throws(() => parseJws(text), { code: 'QIP_TOKEN_JWS_MALFORMED' }))
}

// The cases about base64 and structure; their algorithms are not ours, so even the good ones end at the key.
test(
  'refuses every invalid case of Wycheproof before or at the key',
  { skip: skipWithoutVectors('wycheproof') },
  async () => {
    const { testGroups } = readVectors('wycheproof/json_web_signature_test.json.gz') as {
      testGroups: { tests: { jws?: unknown; result: string }[] }[]
    }
    let cases = 0
    for (const { jws } of testGroups.flatMap((group) => group.tests)) {
      if (typeof jws !== 'string') continue
      cases++
      await assert.rejects(verifyJws(jws, ed25519.publicKey), (error: { code: string }) =>
        /^QIP_TOKEN_(JWS|KEY)/.test(error.code),
      )
    }
    assert.ok(cases > 300)
  },
)
