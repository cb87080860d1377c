import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError, utf8 } from '@quantum-ip/base'
import { noteKeyTypes } from '@quantum-ip/crypto'
import * as fc from 'fast-check'
import { naiveLeaf, naivePath, naiveRoot, numberedEntries } from '../test/naive-tree.ts'
import { noteKey } from '../test/note-keys.ts'
import { signCheckpoint } from './signed-checkpoint.ts'
import { formatTlogProof, parseTlogProof, verifyTlogProof } from './tlog-proof.ts'

const origin = 'log.example/1'
const leaves = numberedEntries(13).map(naiveLeaf)
const log = noteKey(origin, noteKeyTypes.mlDsa44)
const witness = noteKey('witness.example', noteKeyTypes.ed25519Cosignature, 1)
const checkpoint = await signCheckpoint({ origin, size: 13, root: naiveRoot(leaves) }, [log.by, witness.by])
const proof = { index: 5, proof: naivePath(5, leaves), checkpoint }
const trust = { origin, logKeys: [log.vkey], witnessKeys: [witness.vkey], witnessesMin: 1 }
const leafHash = leaves[5] as Uint8Array

test('a proof holds for its entry, with its log and witnesses', async () => {
  const text = formatTlogProof(proof)
  assert.ok(text.startsWith('c2sp.org/tlog-proof@v1\nindex 5\n'))
  assert.ok(text.endsWith(`\n\n${checkpoint}`))
  assert.deepEqual(parseTlogProof(text), proof)
  const verified = await verifyTlogProof({ ...trust, proof: text, leafHash })
  assert.equal(verified.size, 13)
})

test('extra data and proofs without hashes survive the text', () => {
  const extra = utf8('anything')
  const parsed = parseTlogProof(formatTlogProof({ index: 0, proof: [], checkpoint, extra }))
  assert.deepEqual(parsed, { index: 0, proof: [], checkpoint, extra: Buffer.from(extra) })
})

test('refuses another entry, index, log and too few witnesses', async () => {
  const refused = async (change: object, code: string) =>
    assert.rejects(verifyTlogProof({ ...trust, proof, leafHash, ...change }), { code })
  await refused({ leafHash: leaves[6] }, 'QIP_LOG_PROOF_MISMATCH')
  await refused({ proof: { ...proof, index: 6 } }, 'QIP_LOG_PROOF_MISMATCH')
  await refused({ proof: { ...proof, index: 13 } }, 'QIP_LOG_OUT_OF_RANGE')
  await refused({ origin: 'log.example/2' }, 'QIP_LOG_ORIGIN_MISMATCH')
  await refused({ witnessesMin: 2 }, 'QIP_LOG_QUORUM_MISSING')
})

const hash = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I='
const malformed: Record<string, readonly [text: string, line: number]> = {
  nothing: ['', 1],
  'no checkpoint': ['c2sp.org/tlog-proof@v1\nindex 5\n', 1],
  'another version': [`c2sp.org/tlog-proof@v2\nindex 5\n\n${checkpoint}`, 1],
  'no index': [`c2sp.org/tlog-proof@v1\n\n${checkpoint}`, 2],
  'a hash for the index': [`c2sp.org/tlog-proof@v1\n${hash}\n\n${checkpoint}`, 2],
  'an index with leading zeros': [`c2sp.org/tlog-proof@v1\nindex 05\n\n${checkpoint}`, 2],
  'an index beyond 2^53': [`c2sp.org/tlog-proof@v1\nindex 9007199254740993\n\n${checkpoint}`, 2],
  'malformed extra data': [`c2sp.org/tlog-proof@v1\nextra !\nindex 5\n\n${checkpoint}`, 2],
  'extra data twice': [`c2sp.org/tlog-proof@v1\nextra AA==\nextra AA==\nindex 5\n\n${checkpoint}`, 3],
  'a malformed hash': [`c2sp.org/tlog-proof@v1\nindex 5\n${hash}\nAAAA\n\n${checkpoint}`, 4],
  'a proof of 64 hashes': [`c2sp.org/tlog-proof@v1\nindex 5\n${`${hash}\n`.repeat(64)}\n${checkpoint}`, 66],
}

for (const [what, [text, line]] of Object.entries(malformed)) {
  test(`refuses a proof with ${what}`, () => {
    assert.throws(
      () => parseTlogProof(text),
      (error) =>
        isQipError(error, 'QIP_LOG_TLOG_PROOF_MALFORMED') &&
        (error.details as { line: number }).line === line,
    )
  })
}

test('refuses a proof whose checkpoint is no note', () => {
  assert.throws(() => parseTlogProof('c2sp.org/tlog-proof@v1\nindex 5\n\ntext\n'), {
    code: 'QIP_LOG_NOTE_MALFORMED',
  })
  assert.throws(() => formatTlogProof({ ...proof, checkpoint: '' }), { code: 'QIP_LOG_NOTE_MALFORMED' })
  assert.throws(() => formatTlogProof({ ...proof, index: -1 }), { code: 'QIP_LOG_TLOG_PROOF_MALFORMED' })
})

test('meets mutated proofs with a coded error or a proof that formats to itself', () => {
  const valid = formatTlogProof({ ...proof, extra: utf8('extra') })
  const edit = fc.tuple(
    fc.nat(400),
    fc.constantFrom('', '\n', '0', 'A', ' ', '=', '\u0000', '\u2014'),
    fc.nat(2),
  )
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
      let text = valid
      for (const [at, insert, remove] of edits) text = text.slice(0, at) + insert + text.slice(at + remove)
      try {
        assert.equal(formatTlogProof(parseTlogProof(text)), text)
      } catch (error) {
        assert.ok(
          isQipError(error, 'QIP_LOG_TLOG_PROOF_MALFORMED') || isQipError(error, 'QIP_LOG_NOTE_MALFORMED'),
          String(error),
        )
      }
    }),
    { numRuns: 1_500 },
  )
})
