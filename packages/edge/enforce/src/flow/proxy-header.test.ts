import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { crc32c } from './crc32c.ts'
import { flowTlvs, readFlowIdentity } from './flow-identity.ts'
import { formatProxyHeader } from './format-proxy-header.ts'
import { readProxyHeader } from './parse-proxy-header.ts'
import { proxyHeaderBytesMax, proxyTlvTypes } from './proxy-header.ts'

const identifier = Buffer.from('fd0102030405060708090a0b0c0d0e0f', 'hex')
const tokenDigest = Buffer.alloc(32, 7)
const ends = {
  source: { address: '192.0.2.1', port: 40_000 },
  destination: { address: '192.0.2.2', port: 5_432 },
}
const signature = '0d0a0d0a000d0a515549540a'

function refusalOf(bytes: Uint8Array): string {
  const read = readProxyHeader(bytes)
  return read.kind === 'refused' ? read.reason : read.kind
}

test('computes the CRC-32C of the check string that every catalogue has', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3_06_92_83)
})

test('writes the bytes of the specification', () => {
  const header = Buffer.from(formatProxyHeader({ ...ends, tlvs: [] })).toString('hex')
  assert.equal(header.slice(0, 56), `${signature}21110013c0000201c00002029c401538`)
  assert.equal(header.slice(56, 62), '030004')
})

test('reads back what it writes, whole, and wants more of each part of it', () => {
  const values = fc.uniqueArray(
    fc.record(
      { type: fc.integer({ min: 0x10, max: 0xff }), value: fc.uint8Array({ maxLength: 40 }) },
      { noNullPrototype: true },
    ),
    { selector: ({ type }) => type, maxLength: 20 },
  )
  const end = fc.record(
    {
      address: fc.ipV6().map((text) => new URL(`http://[${text}]`).hostname.slice(1, -1)),
      port: fc.integer({ min: 0, max: 65_535 }),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(end, end, values, (source, destination, tlvs) => {
      const bytes = formatProxyHeader({ source, destination, tlvs })
      const read = readProxyHeader(Buffer.concat([bytes, Buffer.from('SELECT 1')]))
      assert.ok(read.kind === 'header')
      assert.equal(read.length, bytes.length)
      assert.deepEqual([read.header.source, read.header.destination], [source, destination])
      assert.deepEqual(read.header.tlvs.slice(0, -1), tlvs)
      for (let cut = 0; cut < bytes.length; cut++) assert.equal(refusalOf(bytes.subarray(0, cut)), 'more')
    }),
    { numRuns: 60 },
  )
})

test('never throws, whatever comes, and takes no header with a CRC and a bit changed', () => {
  const sound = formatProxyHeader({ ...ends, tlvs: flowTlvs({ identifier, tokenDigest }) })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (rest) => {
      readProxyHeader(rest)
      readProxyHeader(Buffer.concat([Buffer.from(`${signature}21`, 'hex'), rest]))
    }),
  )
  const crcType = sound.length - 7
  for (let bit = 0; bit < sound.length * 8; bit++) {
    // Under another type the CRC is none, and one is not demanded: HAProxy writes none by default.
    if (bit >> 3 === crcType) continue
    const changed = Uint8Array.from(sound)
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
    const read = readProxyHeader(changed)
    // What a proxy says of itself is discarded unread; that one bit makes it so.
    if (read.kind === 'header') assert.equal(read.header.command, 'local')
  }
})

const body = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  // Values with lengths that may lie, as a mutated header has them.
  fc
    .array(
      fc.tuple(
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: -2, max: 2 }),
        fc.uint8Array({ maxLength: 12 }),
      ),
    )
    .map((tlvs) =>
      Buffer.concat(
        tlvs.map(([type, lie, value]) =>
          Buffer.concat([Buffer.of(type, 0, Math.max(0, value.length + lie)), value]),
        ),
      ),
    ),
)

test('a header is read alike however much of what follows has come, and a refusal of its beginning stays', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0x20, 0x21, 0x22, 0x11),
      fc.constantFrom(0x00, 0x11, 0x21, 0x31, 0x12),
      fc.integer({ min: -3, max: 3 }),
      body,
      (command, family, lie, rest) => {
        const head = Buffer.from(`${signature}00000000`, 'hex')
        head[12] = command
        head[13] = family
        head.writeUInt16BE(Math.max(0, rest.length + lie), 14)
        const whole = Buffer.concat([head, rest, Buffer.from('the first bytes of the flow')])
        const final = readProxyHeader(whole)
        assert.ok(final.kind !== 'more')
        for (let cut = 0; cut <= whole.length; cut++) {
          const read = readProxyHeader(whole.subarray(0, cut))
          if (read.kind === 'more') assert.ok(final.kind === 'refused' || cut < final.length)
          else assert.deepEqual(read, final)
        }
      },
    ),
    { numRuns: 300 },
  )
})

test('a length of more than the limit is refused with the sixteen bytes that say it', () => {
  fc.assert(
    fc.property(fc.integer({ min: proxyHeaderBytesMax - 15, max: 65_535 }), (length) => {
      const head = Buffer.from(`${signature}21110000`, 'hex')
      head.writeUInt16BE(length, 14)
      assert.equal(refusalOf(head), 'proxy_oversize')
    }),
  )
})

function headerWith(values: string): Buffer {
  return Buffer.from(`${signature}2100${(values.length / 2).toString(16).padStart(4, '0')}${values}`, 'hex')
}

test('takes values of a TLS connection for what they are, unread, and at most one of each type', () => {
  // type 20, length 18: client 07, verify 0, sub-values 21 (version) and 22 (common name), whose lengths nobody here reads
  const subject = '2000120700000000210003544c5322000466616b65'
  const read = readProxyHeader(headerWith(subject))
  assert.ok(read.kind === 'header')
  assert.deepEqual(
    read.header.tlvs.map(({ type, value }) => [type, value.length]),
    [[0x20, 18]],
  )
  assert.equal(readFlowIdentity(read.header.tlvs)?.token, undefined)
  assert.equal(refusalOf(headerWith(subject + subject)), 'proxy_duplicate')
})

const cases: readonly (readonly [string, string, string])[] = [
  [
    'a header of version 1',
    Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n').toString('hex'),
    'proxy_version',
  ],
  ['no header', Buffer.from('SELECT 1').toString('hex'), 'proxy_absent'],
  ['version 3', `${signature}31110000`, 'proxy_version'],
  ['a command that is neither', `${signature}22110000`, 'proxy_command'],
  ['datagrams', `${signature}21120000`, 'proxy_family'],
  ['a length of more than the limit, before it has come', `${signature}2111ffff`, 'proxy_oversize'],
  ['fewer bytes than the addresses have', `${signature}2111000b`, 'proxy_addresses'],
  ['a value that ends after the header', `${signature}21000004e1000200`, 'proxy_tlv'],
  ['half of a value’s head', `${signature}21000002e100`, 'proxy_tlv'],
  ['a wrong CRC', `${signature}2100000703000400000000`, 'proxy_crc'],
  ['a CRC of three bytes', `${signature}21000006030003000000`, 'proxy_crc'],
  ['a value that stands twice', `${signature}21000008e1000101e1000102`, 'proxy_duplicate'],
  ['65 values', `${signature}210000c3${'040000'.repeat(65)}`, 'proxy_tlv'],
  ['a unique ID of 129 bytes', `${signature}21000084050081${'61'.repeat(129)}`, 'proxy_tlv'],
]
for (const [what, hex, reason] of cases) {
  test(`refuses ${what}`, () => {
    assert.equal(refusalOf(Buffer.from(hex, 'hex')), reason)
  })
}

test('discards what a proxy says while it speaks for itself', () => {
  const read = readProxyHeader(Buffer.from(`${signature}20110004ffffffff`, 'hex'))
  assert.ok(read.kind === 'header')
  assert.deepEqual([read.header.command, read.header.tlvs, read.length], ['local', [], 20])
})

test('names the caller in values of its own and in the standard one, each enough by itself', () => {
  const tlvs = flowTlvs({ identifier, tokenDigest })
  const named = {
    identifier: Uint8Array.from(identifier),
    tokenDigest: Uint8Array.from(tokenDigest),
    token: undefined,
  }
  const plain = (of: typeof tlvs): unknown => {
    const read = readFlowIdentity(of)
    return (
      read && {
        identifier: read.identifier && Uint8Array.from(read.identifier),
        tokenDigest: read.tokenDigest && Uint8Array.from(read.tokenDigest),
        token: read.token,
      }
    )
  }
  assert.deepEqual(plain(tlvs), named)
  assert.deepEqual(plain(tlvs.filter(({ type }) => type === proxyTlvTypes.uniqueId)), named)
  assert.deepEqual(plain(tlvs.filter(({ type }) => type !== proxyTlvTypes.uniqueId)), named)
})

test('takes a unique ID of another maker for nothing, and refuses names that contradict each other', () => {
  const uniqueId = { type: proxyTlvTypes.uniqueId, value: Buffer.from('7F000001:8A3E_7F000001:1F90') }
  assert.equal(readFlowIdentity([uniqueId])?.identifier, undefined)
  const other = Uint8Array.from(identifier)
  other[15] = 0
  const [name] = flowTlvs({ identifier, tokenDigest })
  assert.ok(name)
  assert.equal(readFlowIdentity([name, { type: proxyTlvTypes.identifier, value: other }]), undefined)
  assert.equal(readFlowIdentity([{ type: proxyTlvTypes.identifier, value: other.subarray(1) }]), undefined)
  assert.equal(readFlowIdentity([{ type: proxyTlvTypes.token, value: Buffer.alloc(34) }]), undefined)
})
