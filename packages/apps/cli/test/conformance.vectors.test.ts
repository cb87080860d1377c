import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { base64 } from '@quantum-ip/base'
import { readVectors, skipWithoutVectors, vectorsFolder } from '@quantum-ip/testing'
import { type Case, runCases } from './support/conformance.ts'
import { parseTar } from '../../../core/log/test/tar.ts'

interface WycheproofCase {
  readonly tcId: number
  readonly comment: string
  readonly msg?: string
  readonly ctx?: string
  readonly sig: string
  readonly jws?: unknown
  readonly result: 'valid' | 'invalid' | 'acceptable'
}
interface WycheproofGroup {
  readonly publicKey: unknown
  readonly privateSeed?: string
  readonly public?: unknown
  readonly private?: unknown
  readonly tests: readonly WycheproofCase[]
}

const fromHex = (text: string) => Buffer.from(text, 'hex').toString('base64')

function wycheproof(
  name: string,
  toCase: (group: WycheproofGroup, vector: WycheproofCase) => Case | undefined,
): readonly Case[] {
  const { testGroups } = readVectors(`wycheproof/${name}_test`) as { testGroups: readonly WycheproofGroup[] }
  return testGroups.flatMap((group) => group.tests.flatMap((vector) => toCase(group, vector) ?? []))
}

const skip = skipWithoutVectors('wycheproof')

const verify = (alg: string) => (group: WycheproofGroup, vector: WycheproofCase) => ({
  name: `${alg} ${vector.tcId}: ${vector.comment}`,
  request: {
    op: 'mldsa-verify',
    alg,
    publicKey: fromHex(group.publicKey as string),
    message: fromHex(vector.msg ?? ''),
    ...(vector.ctx !== undefined && { context: fromHex(vector.ctx) }),
    signature: fromHex(vector.sig),
  },
  expected: vector.result as 'valid' | 'invalid',
})
const ed25519 = (group: WycheproofGroup, vector: WycheproofCase) => ({
  name: `Ed25519 ${vector.tcId}: ${vector.comment}`,
  request: {
    op: 'ed25519-verify',
    publicKey: fromHex((group.publicKey as { pk: string }).pk),
    message: fromHex(vector.msg ?? ''),
    signature: fromHex(vector.sig),
  },
  expected: vector.result as 'valid' | 'invalid',
})

test(
  'ML-DSA and Ed25519 verification cases of Wycheproof come out as their authors say',
  { skip },
  async () => {
    const cases = [
      ...wycheproof('mldsa_44_verify', verify('ML-DSA-44')),
      ...wycheproof('mldsa_65_verify', verify('ML-DSA-65')),
      ...wycheproof('ed25519', ed25519),
    ]
    assert.equal(cases.length, 180 + 210 + 151)
    await runCases(cases)
  },
)

test(
  'seeds of Wycheproof give the listed public keys, and what is signed with them verifies',
  { skip },
  async () => {
    const seeds = wycheproof('mldsa_65_sign_seed', (group, vector) => {
      if (vector.result !== 'valid') return undefined
      const seed = fromHex(group.privateSeed ?? '')
      const publicKey = fromHex(group.publicKey as string)
      const request = { op: 'mldsa-keygen', alg: 'ML-DSA-65', seed }
      return { name: `seed of ${vector.tcId}`, request, expected: { publicKey } }
    })
    assert.ok(seeds.length > 50)
    await runCases(seeds)
  },
)

test('no case of the JSON Web Signature set is taken: none has a key of ours', { skip }, async () => {
  const cases = wycheproof('json_web_signature', (group, vector) => ({
    name: `${vector.tcId}: ${vector.comment}`,
    request: { op: 'jws-verify', jws: vector.jws, jwk: group.public ?? group.private },
    expected: 'invalid' as const,
  }))
  assert.ok(cases.length > 300)
  await runCases(cases)
})

test(
  'verifies the JOSE examples of RFC 9964, and none of them changed',
  { skip: skipWithoutVectors('jose') },
  async () => {
    const cases = ['ML_DSA_44', 'ML_DSA_65'].flatMap((name): Case[] => {
      const { jwk, jws } = readVectors(`jose/${name}.jose`) as { jwk: Record<string, string>; jws: string }
      const payload = Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('base64')
      const changed = `${jws.slice(0, -1_000)}${jws.at(-1_000) === 'A' ? 'B' : 'A'}${jws.slice(-999)}`
      return [
        { name, request: { op: 'jws-verify', jws, jwk }, expected: { payload } },
        { name, request: { op: 'jws-verify', jws: changed, jwk }, expected: 'invalid' },
        { name, request: { op: 'jwk-thumbprint', jwk }, expected: { thumbprint: jwk['kid'] } },
      ]
    })
    await runCases(cases)
  },
)

const merkleKinds: Readonly<Record<string, { op: string; rename: Readonly<Record<string, string>> }>> = {
  inclusion: { op: 'merkle-inclusion', rename: { leafIdx: 'index', treeSize: 'size' } },
  consistency: { op: 'merkle-consistency', rename: {} },
  subtreeinclusion: { op: 'subtree-inclusion', rename: { leafIdx: 'index', root: 'hash' } },
  subtreeconsistency: { op: 'subtree-consistency', rename: { root1: 'hash', root2: 'root' } },
}

test(
  'judges all 518 cases of transparency-dev/merkle as their authors do',
  { skip: skipWithoutVectors('merkle') },
  async () => {
    const archive = gunzipSync(readFileSync(path.join(vectorsFolder() ?? '', 'merkle/testdata.tar.gz')))
    const cases = parseTar(archive).map(({ name, bytes }): Case => {
      const kind = merkleKinds[name.split('/')[1] ?? '']
      assert.ok(kind, name)
      const { desc, wantErr, ...vector } = JSON.parse(Buffer.from(bytes).toString()) as Record<
        string,
        unknown
      >
      const fields = Object.entries(vector).map(([field, value]) => [kind.rename[field] ?? field, value])
      return {
        name: `${name}: ${String(desc)}`,
        request: { op: kind.op, ...(Object.fromEntries(fields) as Record<string, unknown>) },
        expected: wantErr === true ? 'invalid' : 'valid',
      }
    })
    assert.deepEqual(await runCases(cases), { held: 36, refused: 482 })
  },
)

test('answers malformed lines, and goes on', async () => {
  const seed = base64(new Uint8Array(32))
  const good = { op: 'mldsa-keygen', alg: 'ML-DSA-44', seed }
  await runCases([
    { name: 'unknown operation', request: { op: 'mldsa-verfy' }, expected: 'invalid' },
    { name: 'no operation', request: {}, expected: 'invalid' },
    { name: 'base64url', request: { ...good, seed: seed.replaceAll('=', '') }, expected: 'invalid' },
    { name: 'another algorithm', request: { ...good, alg: 'Ed25519' }, expected: 'invalid' },
    {
      name: 'a number past 2^53',
      request: { op: 'subtree-cover', start: 0, end: 2 ** 60 },
      expected: 'invalid',
    },
    { name: 'an object as a text', request: { op: 'note-verify', note: {}, vkeys: [] }, expected: 'invalid' },
    {
      name: 'cover',
      request: { op: 'subtree-cover', start: 5, end: 13 },
      expected: {
        subtrees: [
          { start: 4, end: 8 },
          { start: 8, end: 13 },
        ],
      },
    },
  ])
})
