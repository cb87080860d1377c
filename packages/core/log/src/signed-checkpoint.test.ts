import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noteKeyTypes, noteVerifierKey } from '@quantum-ip/crypto'
import { noteKey } from '../test/note-keys.ts'
import { leafHash } from './hash.ts'
import { formatNote, parseNote } from './note.ts'
import { signCheckpoint, verifyCheckpoint } from './signed-checkpoint.ts'

const { ed25519, ed25519Cosignature, mlDsa44 } = noteKeyTypes
const origin = 'acme.example/attestations/1'
const checkpoint = { origin, size: 1, root: leafHash(Uint8Array.of(1)) }

const log = noteKey(origin, mlDsa44)
const classic = noteKey(origin, ed25519)
const witnesses = [
  noteKey('witness.example/1', ed25519Cosignature, 1_700_000_000),
  noteKey('witness.example/2', mlDsa44, 1_700_000_001),
] as const
const logKeys = [log.vkey, classic.vkey]
const witnessKeys = witnesses.map(({ vkey }) => vkey)

test('accepts what the log has signed with ML-DSA-44, and returns what was signed', async () => {
  const note = await signCheckpoint(checkpoint, [classic.by, log.by, witnesses[0].by])
  const verified = await verifyCheckpoint({ note, origin, logKeys, witnessKeys, witnessesMin: 1 })
  const { signatures, ...rest } = verified
  assert.deepEqual(rest, checkpoint)
  assert.deepEqual(
    signatures.map(({ key, timestampS }) => [key.name, timestampS]),
    [
      [origin, 0],
      [origin, 0],
      ['witness.example/1', 1_700_000_000],
    ],
  )
})

test('an Ed25519 signature of the log is never sufficient, unless the reader asks for any', async () => {
  const note = await signCheckpoint(checkpoint, [classic.by])
  await assert.rejects(verifyCheckpoint({ note, origin, logKeys }), { code: 'QIP_LOG_CHECKPOINT_UNSIGNED' })
  assert.equal((await verifyCheckpoint({ note, origin, logKeys, logSignature: 'any' })).size, 1)
})

test('the ML-DSA-44 signature of a witness does not stand in for the log', async () => {
  const note = await signCheckpoint(checkpoint, [classic.by, witnesses[1].by])
  await assert.rejects(verifyCheckpoint({ note, origin, logKeys, witnessKeys }), {
    code: 'QIP_LOG_CHECKPOINT_UNSIGNED',
  })
})

test('refuses a checkpoint of another log, of nobody, and of too few witnesses', async () => {
  const note = await signCheckpoint(checkpoint, [log.by, witnesses[0].by])
  const trust = { origin, logKeys, witnessKeys }
  await assert.rejects(verifyCheckpoint({ ...trust, note, origin: 'acme.example/attestations/2' }), {
    code: 'QIP_LOG_ORIGIN_MISMATCH',
  })
  await assert.rejects(verifyCheckpoint({ ...trust, note, logKeys: [] }), {
    code: 'QIP_LOG_CHECKPOINT_UNSIGNED',
  })
  await assert.rejects(verifyCheckpoint({ note, origin, logKeys: [] }), {
    code: 'QIP_LOG_CHECKPOINT_UNSIGNED',
  })
  await assert.rejects(verifyCheckpoint({ ...trust, note, witnessesMin: 2 }), {
    code: 'QIP_LOG_QUORUM_MISSING',
  })
})

test('a bad line of a known witness spoils the checkpoint', async () => {
  const { text, signatures } = parseNote(await signCheckpoint(checkpoint, [log.by, witnesses[1].by]))
  const [own, witness] = signatures
  assert.ok(own && witness)
  const forged = { ...witness, signature: new Uint8Array(2_428) }
  const note = formatNote({ text, signatures: [own, forged] })
  await assert.rejects(verifyCheckpoint({ note, origin, logKeys, witnessKeys }), {
    code: 'QIP_LOG_SIGNATURE_INVALID',
  })
  assert.equal((await verifyCheckpoint({ note, origin, logKeys })).size, 1)
})

test('one key under two names is one witness, and the log is none of its own', async () => {
  const again = { ...witnesses[1].by, name: 'witness.example/3' }
  const note = await signCheckpoint(checkpoint, [log.by, witnesses[1].by, again])
  const alias = noteVerifierKey({ name: again.name, type: mlDsa44, key: witnesses[1].vkey.key })
  const trust = { note, origin, logKeys }
  await assert.rejects(
    verifyCheckpoint({ ...trust, witnessKeys: [...witnessKeys, alias], witnessesMin: 2 }),
    {
      code: 'QIP_LOG_QUORUM_MISSING',
    },
  )
  await assert.rejects(verifyCheckpoint({ ...trust, witnessKeys: [log.vkey], witnessesMin: 1 }), {
    code: 'QIP_LOG_QUORUM_MISSING',
  })
})

test('extension lines, which ML-DSA-44 does not cover, are not returned', async () => {
  const { text, signatures } = parseNote(await signCheckpoint(checkpoint, [log.by]))
  const note = formatNote({ text: `${text}never signed\n`, signatures })
  assert.deepEqual(Object.keys(await verifyCheckpoint({ note, origin, logKeys })).toSorted(), [
    'origin',
    'root',
    'signatures',
    'size',
  ])
})
