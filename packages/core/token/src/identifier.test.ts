import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import { test } from 'node:test'
import { hex, parseHex } from '@quantum-ip/base'
import * as fc from 'fast-check'
import { counting } from '../test/fixtures.ts'
import { formatIdentifier, parseIdentifier, quantumIpIdentifier } from './identifier.ts'

const shop = 'spiffe://acme.example/ns/prod/sa/shop'

// Computed by another implementation.
test('is `fd` and 120 bits of the hash of service and build', () => {
  assert.equal(hex(quantumIpIdentifier(shop)), 'fdd755d2148bec06d429ac4f8096cd28')
  assert.equal(hex(quantumIpIdentifier(shop, counting(32))), 'fd1db8d97f21555bcf8b22d3f2109259')
  assert.equal(hex(quantumIpIdentifier(shop, new Uint8Array(32))), hex(quantumIpIdentifier(shop)))
  assert.equal(formatIdentifier(quantumIpIdentifier(shop)), 'fdd7:55d2:148b:ec06:d429:ac4f:8096:cd28')
})

test('refuses what is no service or no build', () => {
  assert.throws(() => quantumIpIdentifier('spiffe://acme.example'), { code: 'QIP_BASE_SERVICE_ID_MALFORMED' })
  assert.throws(() => quantumIpIdentifier(shop, counting(31)), TypeError)
})

// RFC 5952, sections 4.1 to 4.3.
const spellings: readonly (readonly [bytes: string, text: string])[] = [
  ['fd000000000000000000000000000000', 'fd00::'],
  ['fd000000000000000000000000000001', 'fd00::1'],
  ['fd00000000000000000000000a0b0000', 'fd00::a0b:0'],
  ['fd000001000000000002000000000003', 'fd00:1::2:0:0:3'],
  ['fd000001000000020000000000000003', 'fd00:1:0:2::3'],
  ['fd000001000200000003000400050006', 'fd00:1:2:0:3:4:5:6'],
  ['fd00000100020003000400050006abcd', 'fd00:1:2:3:4:5:6:abcd'],
  ['fd0000010002000300040005000a0000', 'fd00:1:2:3:4:5:a:0'],
  ['fd0000010002000300040005000a00f0', 'fd00:1:2:3:4:5:a:f0'],
  ['fdab00000000000100000000000000ff', 'fdab:0:0:1::ff'],
]

for (const [bytes, text] of spellings) {
  test(`writes ${text}`, () => {
    assert.equal(formatIdentifier(parseHex(bytes)), text)
    assert.equal(hex(parseIdentifier(text)), bytes)
  })
}

test('writes what an IPv6 parser takes, and reads it back', () => {
  const group = fc.constantFrom(0, 0, 0, 1, 0xff, 0xffff, 0xabc)
  fc.assert(
    fc.property(fc.array(group, { minLength: 7, maxLength: 7 }), (groups) => {
      const bytes = new Uint8Array(16)
      const view = new DataView(bytes.buffer)
      for (const [i, value] of [0xfd12, ...groups].entries()) view.setUint16(2 * i, value)
      const text = formatIdentifier(bytes)
      assert.ok(isIPv6(text))
      // The URL parser writes IPv6 addresses as RFC 5952 does.
      assert.equal(new URL(`http://[${text}]/`).hostname, `[${text}]`)
      assert.deepEqual(parseIdentifier(text), bytes)
    }),
  )
})

const malformed: readonly string[] = [
  '',
  ':',
  '::',
  '::1',
  'fe80::1',
  'fc00::1',
  'fd00::1::2',
  'fd00:0:0:0:0:0:0:1',
  'FD00::1',
  'fd00::01',
  'fd00:1:2::3:4:5:6',
  'fd00:1:2:3:4:5:6',
  'fd00:1:2:3:4:5:6:7:8',
  'fd00::10000',
  'fd00::1%eth0',
  'fd00::1/64',
  'fd00::1.2.3.4',
  ' fd00::1',
  'fd00::g',
  'fd00:::1',
  `fd00::${'1'.repeat(1_000)}`,
]

for (const text of malformed) {
  test(`refuses \`${text.slice(0, 40)}\``, () => {
    assert.throws(() => parseIdentifier(text), { code: 'QIP_TOKEN_IDENTIFIER_MALFORMED' })
  })
}

test('refuses to write anything but 16 bytes', () => {
  assert.throws(() => formatIdentifier(new Uint8Array(4)), TypeError)
})
