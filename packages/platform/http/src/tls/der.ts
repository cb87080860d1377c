import { concatBytes, utf8 } from '@quantum-ip/base'

// Distinguished encoding rules of ASN.1 (X.690), as much as a certificate needs; written only, never read.

/** Tag, length and content. */
export function der(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = concatBytes(...content)
  return concatBytes(new Uint8Array([tag]), length(body.length), body)
}

function length(size: number): Uint8Array {
  if (size < 0x80) return new Uint8Array([size])
  if (size < 0x100) return new Uint8Array([0x81, size])
  if (size < 0x1_0000) return new Uint8Array([0x82, size >> 8, size & 0xff])
  throw new TypeError('longer than a certificate ever is')
}

/** SEQUENCE. */
export const sequence = (...items: readonly Uint8Array[]): Uint8Array => der(0x30, ...items)
/** SET of one. */
export const setOf = (item: Uint8Array): Uint8Array => der(0x31, item)
/** OCTET STRING. */
export const octets = (bytes: Uint8Array): Uint8Array => der(0x04, bytes)
/** UTF8String. */
export const utf8String = (text: string): Uint8Array => der(0x0c, utf8(text))
/** BOOLEAN true; false is the default everywhere here and left out. */
export const yes = der(0x01, new Uint8Array([0xff]))

/** INTEGER of bytes, most significant first, not negative. */
export function integer(bytes: Uint8Array): Uint8Array {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const rest = bytes.subarray(start)
  return (rest[0] ?? 0) >= 0x80 ? der(0x02, new Uint8Array(1), rest) : der(0x02, rest)
}

/** BIT STRING; `unused` bits at the end are zero. */
export function bits(bytes: Uint8Array, unused = 0): Uint8Array {
  return der(0x03, new Uint8Array([unused]), bytes)
}

/** Explicit context tag. */
export function explicit(tag: number, content: Uint8Array): Uint8Array {
  return der(0xa0 | tag, content)
}

/** OBJECT IDENTIFIER from its dotted form. */
export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const part of rest) {
    const groups = [part & 0x7f]
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return der(0x06, new Uint8Array(bytes))
}

/** UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280, section 4.1.2.5). */
export function time(ms: number): Uint8Array {
  const text = `${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`
  return text < '2050' ? der(0x17, utf8(text.slice(2))) : der(0x18, utf8(text))
}
