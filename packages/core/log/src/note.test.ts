import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isQipError, utf8 } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { formatNote, type Note, noteLimits, parseNote, parseNoteSignature } from './note.ts'

const line =
  '— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n'

test('takes text and signatures apart at the last blank line', () => {
  const note = parseNote(`one\n\ntwo\n\n${line}`)
  assert.equal(note.text, 'one\n\ntwo\n')
  assert.equal(note.signatures.length, 1)
  assert.equal(note.signatures[0]?.name, 'example.com/foo')
  assert.equal(note.signatures[0]?.keyId, 0x530d903a)
  assert.equal(note.signatures[0]?.signature.length, 64)
  assert.deepEqual(parseNote(utf8(`one\n\ntwo\n\n${line}`)), note)
})

const malformed: Record<string, string | Uint8Array> = {
  nothing: '',
  'no blank line': `text\n${line}`,
  'no signature': 'text\n\n',
  'no final newline': `text\n\n${line.trimEnd()}`,
  'a control character': `te\u0001xt\n\n${line}`,
  'a carriage return': `text\r\n\n${line}`,
  'a tab': `te\txt\n\n${line}`,
  'half a character': `te\ud800xt\n\n${line}`,
  'bytes that are not UTF-8': Uint8Array.from([0xff, ...utf8(`text\n\n${line}`)]),
  'a hyphen for the dash': `text\n\n${line.replace('—', '-')}`,
  'an empty name': `text\n\n— ${'A'.repeat(8)}\n`,
  'a name with a plus': `text\n\n${line.replace('foo', 'f+o')}`,
  'a name with a space': `text\n\n${line.replace('foo', 'f\u00a0o')}`,
  'three fields': `text\n\n${line.trimEnd()} more\n`,
  'a key ID without signature': 'text\n\n— example.com/foo Uw2QOg==\n',
  'base64 with trailing bits': 'text\n\n— example.com/foo Uw2QOkn8sr==\n',
  base64url: `text\n\n${line.replaceAll('+', '-').replace('+', '_').replace('=', '_')}`,
  'something after the signatures': `text\n\n${line}text\n`,
  'too many signatures': `text\n\n${line.repeat(noteLimits.signaturesMax + 1)}`,
  'too many bytes': `${'text'.repeat(noteLimits.bytesMax)}\n\n${line}`,
}

for (const [what, note] of Object.entries(malformed)) {
  test(`refuses a note with ${what}`, () => {
    assert.throws(() => parseNote(note), { code: 'QIP_LOG_NOTE_MALFORMED' })
  })
}

test('accepts sixteen signatures and more', () => {
  assert.equal(parseNote(`text\n\n${line.repeat(noteLimits.signaturesMax)}`).signatures.length, 64)
})

const name = fc
  .string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
  .filter((text) => !/[\s+\p{Cc}\p{Z}]/u.test(text))
const signature = fc
  .tuple(name, fc.nat(0xffffffff), fc.uint8Array({ minLength: 1, maxLength: 100 }))
  .map(([name, keyId, signature]) => ({ name, keyId, signature }))
const text = fc.string({ unit: 'grapheme' }).map((body) => `${body.replaceAll(/\p{Cc}/gu, '\n')}\n`)

test('what is formatted parses to the same', () => {
  fc.assert(
    fc.property(text, fc.array(signature, { minLength: 1, maxLength: 5 }), (body, signatures) => {
      const note: Note = { text: body, signatures }
      const parsed = parseNote(formatNote(note))
      assert.equal(parsed.text, body)
      assert.deepEqual(
        parsed.signatures.map(({ name, keyId, signature }) => ({
          name,
          keyId,
          signature: Uint8Array.from(signature),
        })),
        signatures,
      )
    }),
  )
})

test('formats no note that would not parse', () => {
  const one = parseNoteSignature(line.trimEnd())
  assert.throws(() => formatNote({ text: 'no newline', signatures: [one] }), {
    code: 'QIP_LOG_NOTE_MALFORMED',
  })
  assert.throws(() => formatNote({ text: 'text\n', signatures: [] }), { code: 'QIP_LOG_NOTE_MALFORMED' })
  assert.throws(() => formatNote({ text: 'te\u0000xt\n', signatures: [one] }), {
    code: 'QIP_LOG_NOTE_MALFORMED',
  })
  const forged = { ...one, name: 'a\n\nb' }
  assert.throws(
    () => formatNote({ text: 'text\n', signatures: [forged] }),
    (error) => isQipError(error),
  )
})

test('meets mutated notes with a coded error or a note', () => {
  const valid = Buffer.from(
    `example.com/log\n12\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n${line.repeat(3)}`,
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 4 }),
      fc.nat(valid.length),
      (edits, cut) => {
        const bytes = Uint8Array.from(valid)
        for (const [at, value] of edits) bytes[at] = value
        try {
          const note = parseNote(cut % 3 === 0 ? bytes.subarray(0, cut) : bytes)
          assert.ok(note.signatures.length > 0 && note.text.endsWith('\n'))
        } catch (error) {
          assert.ok(isQipError(error, 'QIP_LOG_NOTE_MALFORMED'), String(error))
        }
      },
    ),
    { numRuns: 2_000 },
  )
})
