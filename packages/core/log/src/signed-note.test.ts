import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noteKeyTypes, parseVkey } from '@quantum-ip/crypto'
import { noteKey } from '../test/note-keys.ts'
import { formatNote, parseNote } from './note.ts'
import { signNote, verifyNote } from './signed-note.ts'

const example = {
  vkey: 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
  note: `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`,
}

const text = 'log.example/1\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'
const types = Object.entries(noteKeyTypes)

test('verifies the example of the specification', async () => {
  const vkey = parseVkey(example.vkey)
  const { text, signatures } = await verifyNote({ note: example.note, vkeys: [vkey] })
  assert.equal(text, 'This is an example message.\n')
  assert.deepEqual(signatures, [{ key: vkey, timestampS: 0 }])
})

for (const [what, type] of types) {
  test(`a note signed with type ${what} verifies, and nothing else does`, async () => {
    const timestampS = type === noteKeyTypes.ed25519 ? 0 : 1_700_000_000
    const { by, vkey } = noteKey('log.example/1', type, timestampS)
    const note = await signNote(text, [by])
    assert.deepEqual((await verifyNote({ note, vkeys: [vkey] })).signatures, [{ key: vkey, timestampS }])

    const { signatures } = parseNote(note)
    const [signature] = signatures
    assert.ok(signature)
    const changed = (change: (bytes: Uint8Array) => void) => {
      const bytes = Uint8Array.from(signature.signature)
      change(bytes)
      return formatNote({ text, signatures: [{ ...signature, signature: bytes }] })
    }
    const refused = async (altered: string) =>
      assert.rejects(verifyNote({ note: altered, vkeys: [vkey] }), { code: 'QIP_LOG_SIGNATURE_INVALID' })
    await refused(note.replace('\n3\n', '\n4\n'))
    await refused(note.replace('log.example/1\n', 'log.example/2\n'))
    await refused(changed((bytes) => (bytes[7] = (bytes[7] ?? 0) ^ 1)))
    await refused(changed((bytes) => (bytes[0] = (bytes[0] ?? 0) ^ 0x80)))
    await refused(changed((bytes) => (bytes[40] = (bytes[40] ?? 0) ^ 1)))
    await refused(
      formatNote({ text, signatures: [{ ...signature, signature: signature.signature.subarray(0, 8) }] }),
    )
  })
}

test('types that sign a tree sign no other text', async () => {
  for (const type of [noteKeyTypes.mlDsa44, noteKeyTypes.subtreeEd25519]) {
    const { by } = noteKey('log.example/1', type)
    await assert.rejects(signNote('no checkpoint\n', [by]), { code: 'QIP_LOG_CHECKPOINT_MALFORMED' })
  }
})

test('a signature of one type does not pass under another of the same key', async () => {
  const plain = noteKey('log.example/1', noteKeyTypes.ed25519)
  const key = plain.by.signer
  const note = parseNote(await signNote(text, [plain.by]))
  const { vkey } = noteKey('log.example/1', noteKeyTypes.ed25519Cosignature)
  const other = { ...vkey, key: key.publicKey, keyId: plain.vkey.keyId }
  await assert.rejects(verifyNote({ note, vkeys: [other] }), { code: 'QIP_LOG_SIGNATURE_INVALID' })
})

test('ignores unknown keys, even of a known name or key ID', async () => {
  const [known, stranger] = [noteKey('a', noteKeyTypes.ed25519), noteKey('b', noteKeyTypes.ed25519)]
  const note = parseNote(await signNote(text, [stranger.by, known.by]))
  const named = note.signatures.map((line, i) => (i === 0 ? { ...line, name: 'a' } : line))
  const numbered = note.signatures.map((line, i) => (i === 0 ? { ...line, keyId: known.vkey.keyId } : line))
  for (const signatures of [note.signatures, named, numbered]) {
    const verified = await verifyNote({ note: { ...note, signatures }, vkeys: [known.vkey] })
    assert.deepEqual(verified.signatures, [{ key: known.vkey, timestampS: 0 }])
  }
  await assert.rejects(verifyNote({ note, vkeys: [] }), { code: 'QIP_LOG_NOTE_UNSIGNED' })
  await assert.rejects(verifyNote({ note, vkeys: [noteKey('c', noteKeyTypes.ed25519).vkey] }), {
    code: 'QIP_LOG_NOTE_UNSIGNED',
  })
})

test('one bad signature of a known key spoils the note', async () => {
  const keys = [noteKey('a', noteKeyTypes.ed25519), noteKey('b', noteKeyTypes.ed25519)] as const
  const note = parseNote(await signNote(text, [keys[0].by, keys[1].by]))
  const [first, second] = note.signatures
  assert.ok(first && second)
  const signatures = [first, { ...second, signature: first.signature }]
  const vkeys = keys.map(({ vkey }) => vkey)
  await assert.rejects(verifyNote({ note: { ...note, signatures }, vkeys }), {
    code: 'QIP_LOG_SIGNATURE_INVALID',
  })
})

test('two lines of one key count once, and both must hold', async () => {
  const { by, vkey } = noteKey('a', noteKeyTypes.ed25519)
  const note = parseNote(await signNote(text, [by]))
  const [line] = note.signatures
  assert.ok(line)
  const twice = { ...note, signatures: [line, line] }
  assert.equal((await verifyNote({ note: twice, vkeys: [vkey, vkey] })).signatures.length, 1)
  const bad = { ...line, signature: new Uint8Array(64) }
  await assert.rejects(verifyNote({ note: { ...note, signatures: [line, bad] }, vkeys: [vkey] }), {
    code: 'QIP_LOG_SIGNATURE_INVALID',
  })
})

test('refuses two keys of one name and key ID', async () => {
  const { by, vkey } = noteKey('a', noteKeyTypes.ed25519)
  const other = { ...noteKey('b', noteKeyTypes.ed25519).vkey, name: 'a', keyId: vkey.keyId }
  const note = await signNote(text, [by])
  await assert.rejects(verifyNote({ note, vkeys: [vkey, other] }), { code: 'QIP_LOG_KEY_UNSUITABLE' })
})
