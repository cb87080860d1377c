import { test } from 'node:test'
import assert from 'node:assert/strict'
import { hex, utf8 } from '@quantum-ip/base'
import { formatEnvelope, pae, sha256 } from '@quantum-ip/crypto'
import { build, envelope, otherBuild, timeMs } from '../test/shop.ts'
import {
  attestationEntry,
  attestationEntrySize,
  encodeAttestationEntry,
  parseAttestationEntry,
  verifyEntry,
} from './attestation-entry.ts'

const fill = (byte: number) => new Uint8Array(32).fill(byte)

test('an entry is encoded as documented and reads back', () => {
  const entry = { timeMs: 2 ** 40 + 7, build: fill(1), paeHash: fill(2), envelopeHash: fill(3) }
  const bytes = encodeAttestationEntry(entry)
  assert.equal(bytes.length, attestationEntrySize)
  assert.equal(
    hex(bytes),
    ['01', '10', '0000010000000007', '01'.repeat(32), '02'.repeat(32), '03'.repeat(32)].join(''),
  )
  assert.deepEqual(parseAttestationEntry(bytes), entry)
})

const good = encodeAttestationEntry({ timeMs, build: fill(1), paeHash: fill(2), envelopeHash: fill(3) })
const malformed: readonly (readonly [title: string, bytes: Uint8Array])[] = [
  ['of nothing', new Uint8Array(0)],
  ['that is too short', good.subarray(1)],
  ['that is too long', new Uint8Array(107)],
  ['of another version', good.with(0, 2)],
  ['of a token', good.with(1, 1)],
  ['with a time beyond 2^53', good.with(2, 0xff)],
]
for (const [title, bytes] of malformed) {
  test(`refuses an entry ${title}`, () => {
    assert.throws(() => parseAttestationEntry(bytes), { code: 'QIP_ATTESTATION_ENTRY_MALFORMED' })
  })
}

test('an entry with another hash size is a mistake of the program', () => {
  const entry = { timeMs, build: fill(1), paeHash: fill(2), envelopeHash: new Uint8Array(31) }
  assert.throws(() => encodeAttestationEntry(entry), TypeError)
})

test('an entry holds what was signed and what is stored', async () => {
  const of = await envelope()
  assert.deepEqual(attestationEntry(of, build, timeMs), {
    timeMs,
    build,
    paeHash: sha256(pae(of.payloadType, of.payload)),
    envelopeHash: sha256(utf8(formatEnvelope(of))),
  })
})

test('an entry stands for one envelope and one build', async () => {
  const of = await envelope()
  const entry = attestationEntry(of, build, timeMs)
  assert.equal(verifyEntry({ entry, envelope: of, build }), entry)
  const code = 'QIP_ATTESTATION_ENTRY_MISMATCH'
  const cases = [
    [{ entry, envelope: of, build: otherBuild }, 'build'],
    [{ entry, envelope: { ...of, payload: fill(0) }, build }, 'signed bytes'],
    [{ entry, envelope: { ...of, signatures: of.signatures.slice(1) }, build }, 'stored envelope'],
  ] as const
  for (const [subject, what] of cases) assert.throws(() => verifyEntry(subject), { code, details: { what } })
})
