import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { base64, base64url, hex, parseBase64, parseBase64url, parseHex, parseUtf8, utf8 } from './encoding.ts'
import { isQipError } from './errors.ts'

const code = 'QIP_BASE_ENCODING_MALFORMED'
const hexDigits = '0123456789abcdef'
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

// The second engine: RFC 4648 bit by bit, without anybody's decoder.
function spell(bytes: Uint8Array, alphabet: string, bitsPerCharacter: number): string {
  let text = ''
  let held = 0
  let bits = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    for (; bits >= bitsPerCharacter; bits -= bitsPerCharacter) {
      text += alphabet[(held >> (bits - bitsPerCharacter)) & ((1 << bitsPerCharacter) - 1)]
    }
    held &= (1 << bits) - 1
  }
  return bits === 0 ? text : text + alphabet[held << (bitsPerCharacter - bits)]
}

interface Encoding {
  readonly name: 'base64' | 'base64url' | 'hex'
  readonly format: (bytes: Uint8Array) => string
  readonly parse: (text: string) => Uint8Array
  readonly expected: (bytes: Uint8Array) => string
  readonly refused: Record<string, string>
}

const encodings: readonly Encoding[] = [
  {
    name: 'base64url',
    format: base64url,
    parse: parseBase64url,
    expected: (bytes) => spell(bytes, `${letters}-_`, 6),
    refused: {
      padding: 'AA==',
      'one padding character': 'AAA=',
      'the other alphabet': '-_+/',
      'trailing bits of one byte': 'AB',
      'trailing bits of two bytes': 'AAB',
      'a length that no bytes have': 'AAAAA',
      'a single character': 'A',
      'white space': 'AA AA',
      'a line feed at the end': 'AAAA\n',
      'a line feed before': '\nAAAA',
      'a foreign character': 'AA*A',
      'a character beyond ASCII': 'AAAé',
      'a full-width letter': 'ＡAAA',
      'a NUL': 'AAAA\u0000',
      'a lone surrogate': 'AAA\ud800',
    },
  },
  {
    name: 'base64',
    format: base64,
    parse: parseBase64,
    expected: (bytes) => {
      const text = spell(bytes, `${letters}+/`, 6)
      return text + '='.repeat((4 - (text.length % 4)) % 4)
    },
    refused: {
      'no padding': 'AA',
      'half the padding': 'AA=',
      'too much padding': 'AA===',
      'padding alone': '====',
      'padding of nothing': 'AAAA====',
      'padding in the middle': 'AA==AAAA',
      'the other alphabet': '-_-_',
      'trailing bits of one byte': 'AB==',
      'trailing bits of two bytes': 'AAB=',
      'white space': 'AAAA AAAA',
      'a line feed at the end': 'AAAA\n',
      'a foreign character': 'AA*A',
    },
  },
  {
    name: 'hex',
    format: hex,
    parse: parseHex,
    expected: (bytes) => spell(bytes, hexDigits, 4),
    refused: {
      'an odd length': 'abc',
      uppercase: 'AB',
      'one uppercase digit': 'aB',
      'a foreign character': '0g',
      'a foreign character after good ones': '00zz',
      'white space': '00 00',
      'a prefix': '0x00',
      'full-width digits': '００',
    },
  },
]

for (const { name, format, parse, expected, refused } of encodings) {
  test(`${name} is spelled as RFC 4648 spells it, and read back`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = expected(bytes)
        assert.equal(format(bytes), text)
        assert.deepEqual([...parse(text)], [...bytes])
      }),
    )
  })

  test(`${name} of a part of a buffer is that of the part alone`, () => {
    const whole = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    assert.equal(format(whole.subarray(2, 5)), format(Uint8Array.of(3, 4, 5)))
  })

  for (const [title, text] of Object.entries(refused)) {
    test(`${name} with ${title} is refused`, () => {
      assert.throws(
        () => parse(text),
        (error) => isQipError(error, code) && (error.details as { encoding: string }).encoding === name,
      )
    })
  }

  test(`${name}: each value has one spelling, and any other text is refused by code`, () => {
    const nearly = fc
      .tuple(
        fc.uint8Array({ maxLength: 6 }),
        fc.nat(),
        fc.constantFrom('', '=', '-', '+', '/', 'A', 'f', '\n', ' ', 'é'),
      )
      .map(([bytes, at, insert]) => {
        const text = expected(bytes)
        const place = at % (text.length + 1)
        return text.slice(0, place) + insert + text.slice(place + (at % 2))
      })
    let read = 0
    fc.assert(
      fc.property(fc.oneof(nearly, fc.string({ maxLength: 6 })), (text) => {
        try {
          assert.equal(expected(parse(text)), text)
          read++
        } catch (error) {
          assert.ok(isQipError(error, code), String(error))
        }
      }),
      { numRuns: 2_000 },
    )
    assert.ok(read > 0)
  })
}

test('all texts of one and two characters: each decoder reads what the alphabet makes, and nothing else', () => {
  const good = new Set<string>()
  for (let byte = 0; byte < 256; byte++) good.add(spell(Uint8Array.of(byte), `${letters}-_`, 6))
  for (let a = 0; a < 128; a++) {
    for (let b = 0; b < 128; b++) {
      const text = String.fromCharCode(a, b)
      if (good.has(text)) assert.equal(parseBase64url(text).length, 1)
      else assert.throws(() => parseBase64url(text), { code })
    }
  }
  assert.equal(good.size, 256)
})

const malformedUtf8: Record<string, number[]> = {
  'a continuation without a beginning': [0x80],
  'a beginning without a continuation': [0xc3],
  'an overlong NUL': [0xc0, 0x80],
  'an overlong slash': [0xe0, 0x80, 0xaf],
  'a surrogate': [0xed, 0xa0, 0x80],
  'a code point beyond the last': [0xf4, 0x90, 0x80, 0x80],
  'a byte that occurs nowhere': [0xff],
  'a text that is cut': [0x61, 0xe2, 0x82],
}
for (const [title, bytes] of Object.entries(malformedUtf8)) {
  test(`UTF-8 with ${title} is refused`, () => {
    assert.throws(() => parseUtf8(Uint8Array.from(bytes)), { code })
  })
}

test('UTF-8 is read byte for byte: a byte order mark and a NUL are characters like any other', () => {
  for (const text of ['', '\ufeffa', 'a\u0000b', 'é€😀', '\ufffd']) assert.equal(parseUtf8(utf8(text)), text)
})

test('what is read as UTF-8 has these very bytes, and all else is refused by code', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
      try {
        assert.deepEqual([...utf8(parseUtf8(bytes))], [...bytes])
      } catch (error) {
        assert.ok(isQipError(error, code), String(error))
      }
    }),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.equal(parseUtf8(utf8(text)), text)
      assert.deepEqual([...utf8(text)], [...Buffer.from(text)])
    }),
  )
})
