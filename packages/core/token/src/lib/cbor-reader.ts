import type { Buffer } from 'node:buffer'
import type { TokenRefusal } from '../token-refusal.ts'
import { refusals } from './refusals.ts'

/**
 * Reads CBOR in core deterministic encoding (RFC 8949, section 4.2.1), one item after the other, for a
 * decoder that knows which item must come next. It builds no tree and never recurses, so that depth
 * and size of hostile input cost nothing.
 *
 * There are two ends. `limit` is where the innermost byte string ends by its declared length: to pass it is
 * malformed. The end of the input may come before: to meet it is truncation, the one refusal that says so.
 */
export class CborReader {
  readonly #bytes: Buffer
  readonly #end: number
  #at = 0
  #limit: number

  /** Reads `bytes` as the beginning of an item that may have up to `sizeMax` bytes. */
  constructor(bytes: Buffer, sizeMax: number) {
    this.#bytes = bytes
    this.#end = bytes.length
    this.#limit = sizeMax
  }

  /** How far it has read. */
  get at(): number {
    return this.#at
  }

  /** The next byte, not consumed; -1 where the innermost container ends. */
  peek(): number {
    if (this.#at === this.#limit) return -1
    this.#need(1)
    return this.#bytes[this.#at] as number
  }

  /** Consumes one byte, which must be `byte`: a one-byte key or value. */
  expect(byte: number, otherwise: TokenRefusal): void {
    this.#need(1)
    if (this.#bytes[this.#at] !== byte) throw otherwise
    this.#at++
  }

  /** Four bytes as a u32: a packed key such as 63 'bld', or a key ID. */
  u32(): number {
    this.#need(4)
    const value = this.#u32(this.#at)
    this.#at += 4
    return value
  }

  /** An unsigned integer of at most `max`. */
  uint(max: number): number {
    const value = this.#head(0x00)
    if (value > max) throw refusals.range
    return value
  }

  /** The head of an array with `min` to `max` items: their number. */
  array(min: number, max: number): number {
    return this.#count(0x80, min, max)
  }

  /** The head of a map with `min` to `max` entries: their number. */
  map(min: number, max: number): number {
    return this.#count(0xa0, min, max)
  }

  #count(major: number, min: number, max: number): number {
    const count = this.#head(major)
    if (count < min || count > max) throw refusals.count
    return count
  }

  /** The head of a byte string of `min` to `max` bytes: its length. What it holds comes next. */
  bytesHead(min: number, max: number): number {
    const size = this.#head(0x40)
    if (size < min || size > max) throw refusals.size
    // Before any of it is there: a string longer than its container is malformed, not truncated.
    if (this.#at + size > this.#limit) throw refusals.overrun
    return size
  }

  /** `size` bytes, as a view of the input. */
  take(size: number): Uint8Array {
    this.#need(size)
    const from = this.#at
    this.#at += size
    return viewOf(this.#bytes, from, this.#at)
  }

  /** Passes over `size` bytes. */
  skip(size: number): void {
    this.#need(size)
    this.#at += size
  }

  /** A byte string of `min` to `max` bytes, as a view of the input. */
  bytes(min: number, max: number): Uint8Array {
    return this.take(this.bytesHead(min, max))
  }

  /** A text string of at most `max` bytes, read as Latin-1: whoever calls accepts ASCII only. */
  text(max: number): string {
    const size = this.#head(0x60)
    if (size > max) throw refusals.size
    this.#need(size)
    const from = this.#at
    this.#at += size
    return this.#bytes.toString('latin1', from, this.#at)
  }

  /** Enters a byte string whose `size` bytes are CBOR themselves. Returns what {@link leave} needs. */
  enter(size: number): number {
    const outer = this.#limit
    this.#limit = this.#at + size
    return outer
  }

  /** Leaves the byte string: what was in it must have ended exactly here. */
  leave(outer: number): void {
    if (this.#at !== this.#limit) throw refusals.trailing
    this.#limit = outer
  }

  /** Nothing may follow. */
  finish(): void {
    if (this.#at !== this.#end) throw refusals.trailing
  }

  #need(size: number): void {
    const to = this.#at + size
    if (to > this.#limit) throw refusals.overrun
    if (to > this.#end) throw refusals.ended
  }

  // The argument of a head of type `major` in its shortest form; no indefinite lengths, nothing above 2^53.
  #head(major: number): number {
    this.#need(1)
    const byte = this.#bytes[this.#at] as number
    if ((byte & 0xe0) !== major) throw refusals.wrongType
    this.#at++
    const info = byte & 0x1f
    return info < 24 ? info : this.#argument(info)
  }

  #argument(info: number): number {
    const at = this.#at
    if (info === 24) {
      this.#need(1)
      this.#at++
      return longerThan(this.#bytes[at] as number, 23)
    }
    if (info === 25) {
      this.#need(2)
      this.#at += 2
      return longerThan(this.#bytes.readUInt16BE(at), 0xff)
    }
    if (info === 26) {
      this.#need(4)
      this.#at += 4
      return longerThan(this.#u32(at), 0xffff)
    }
    if (info !== 27) throw refusals.wrongType
    this.#need(8)
    const high = this.#u32(at)
    if (high > 0x1f_ffff) throw refusals.range
    this.#at += 8
    return longerThan(high * 0x1_0000_0000 + this.#u32(at + 4), 0xffff_ffff)
  }

  #u32(at: number): number {
    const bytes = this.#bytes
    return (
      (bytes[at] as number) * 0x100_0000 +
      (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
    )
  }
}

function longerThan(value: number, shorterMax: number): number {
  if (value <= shorterMax) throw refusals.notShortest
  return value
}

/** The bytes [from, to) of `buffer` as a plain array: a `Buffer` would surprise with a `slice` that does not copy. */
export function viewOf(buffer: Buffer, from: number, to: number): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset + from, to - from)
}
