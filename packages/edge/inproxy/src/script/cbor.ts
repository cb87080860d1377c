/** Where reading of deterministic CBOR (RFC 8949, section 4.2.1) stands. */
export interface Cursor {
  readonly bytes: Uint8Array
  at: number
  /** Where the innermost byte string ends by its declared length: to pass it is malformed. */
  limit: number
}

/** Why a text is no token. */
export type Refusal = 'malformed' | 'truncated'

const refusalName = 'QuantumIpRefusal'

/** The error that ends reading. Made only on refusal, so that a good token costs none. */
export function refusal(kind: Refusal): Error {
  const error = new Error(kind)
  error.name = refusalName
  return error
}

/** The refusal that an error stands for; any other error is a defect and goes on. */
export function refusalOf(error: Error): Refusal {
  if (error.name !== refusalName) throw error
  return error.message === 'truncated' ? 'truncated' : 'malformed'
}

/** Makes sure that `size` more bytes are there. */
function need(cursor: Cursor, size: number): void {
  const to = cursor.at + size
  if (to > cursor.limit) throw refusal('malformed')
  if (to > cursor.bytes.length) throw refusal('truncated')
}

/** The next byte, not consumed; -1 where the innermost byte string ends. */
export function peekByte(cursor: Cursor): number {
  if (cursor.at === cursor.limit) return -1
  need(cursor, 1)
  return cursor.bytes[cursor.at] as number
}

/** Consumes one byte, which must be `byte`. */
export function expectByte(cursor: Cursor, byte: number): void {
  need(cursor, 1)
  if (cursor.bytes[cursor.at] !== byte) throw refusal('malformed')
  cursor.at += 1
}

function bigEndian(cursor: Cursor, size: number): number {
  need(cursor, size)
  let value = 0
  // By multiplication: JavaScript's bit operators wrap at 2^32.
  for (let i = 0; i < size; i++) value = value * 256 + (cursor.bytes[cursor.at + i] as number)
  cursor.at += size
  return value
}

/** Four bytes as a u32. */
export function readU32(cursor: Cursor): number {
  return bigEndian(cursor, 4)
}

// The argument of a head of type `major` in its shortest form; no indefinite lengths, nothing above 2^53.
function readHead(cursor: Cursor, major: number): number {
  const at = cursor.at
  // Most heads are one byte that is there: in an interpreter each call counts.
  if (at >= cursor.limit || at >= cursor.bytes.length) need(cursor, 1)
  const byte = cursor.bytes[at] as number
  if ((byte & 0xe0) !== major) throw refusal('malformed')
  cursor.at = at + 1
  const info = byte & 0x1f
  if (info < 24) return info
  if (info === 24) return longerThan(bigEndian(cursor, 1), 23)
  if (info === 25) return longerThan(bigEndian(cursor, 2), 0xff)
  if (info === 26) return longerThan(bigEndian(cursor, 4), 0xffff)
  if (info !== 27) throw refusal('malformed')
  need(cursor, 8)
  const high = bigEndian(cursor, 4)
  if (high > 0x1fffff) throw refusal('malformed')
  return longerThan(high * 0x100000000 + bigEndian(cursor, 4), 0xffffffff)
}

function longerThan(value: number, shorterMax: number): number {
  if (value <= shorterMax) throw refusal('malformed')
  return value
}

/** An unsigned integer of at most `max`. */
export function readUint(cursor: Cursor, max: number): number {
  const value = readHead(cursor, 0x00)
  if (value > max) throw refusal('malformed')
  return value
}

/** The head of an array (`major` 0x80) or map (0xa0) of `min` to `max` items: their number. */
export function readCount(cursor: Cursor, major: number, min: number, max: number): number {
  const count = readHead(cursor, major)
  if (count < min || count > max) throw refusal('malformed')
  return count
}

/** The head of a byte string of `min` to `max` bytes: its length. */
export function readBytesHead(cursor: Cursor, min: number, max: number): number {
  const size = readHead(cursor, 0x40)
  if (size < min || size > max || cursor.at + size > cursor.limit) throw refusal('malformed')
  return size
}

/** `size` bytes, as a view. */
export function takeBytes(cursor: Cursor, size: number): Uint8Array {
  need(cursor, size)
  const from = cursor.at
  cursor.at += size
  return cursor.bytes.subarray(from, from + size)
}

/** A byte string of exactly `size` bytes. */
export function readBytes(cursor: Cursor, size: number): Uint8Array {
  return takeBytes(cursor, readBytesHead(cursor, size, size))
}

/** The bytes of a text string of at most `max` bytes. */
export function readTextBytes(cursor: Cursor, max: number): Uint8Array {
  const size = readHead(cursor, 0x60)
  if (size > max) throw refusal('malformed')
  return takeBytes(cursor, size)
}
