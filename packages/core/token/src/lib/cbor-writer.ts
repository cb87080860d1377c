import { Buffer } from 'node:buffer'

// Larger than anything that passes the checks before it is measured: two stapled heads with four ML-DSA-44 signatures
// each are 20 KB, a token with four 14 KB, claims with 9 service IDs and 8 hops of 512 bytes 9 KB.
const scratch = Buffer.allocUnsafeSlow(32_768)
let at = 0

/**
 * Writes CBOR in core deterministic encoding (RFC 8949, section 4.2.1) into one scratch buffer that all encoders
 * of this package share: they are synchronous, and take the result before they return.
 */
export function beginCbor(): void {
  at = 0
}

/** What was written since {@link beginCbor}, in an array of its own. */
export function takeCbor(): Uint8Array {
  // From the pool: a third of the price of an array of its own.
  const taken = Buffer.allocUnsafe(at)
  scratch.copy(taken, 0, 0, at)
  return new Uint8Array(taken.buffer, taken.byteOffset, at)
}

/** What was written since {@link beginCbor}, as base64url. */
export function takeCborBase64url(): string {
  return scratch.toString('base64url', 0, at)
}

/** The number of bytes written since {@link beginCbor}. */
export function cborSize(): number {
  return at
}

/** A fixed byte: a short head or a one-byte key. */
export function writeByte(byte: number): void {
  scratch[at++] = byte
}

/** Four bytes, most significant first: a packed key such as 63 'bld'. */
export function writeU32(value: number): void {
  scratch[at] = value >>> 24
  scratch[at + 1] = value >>> 16
  scratch[at + 2] = value >>> 8
  scratch[at + 3] = value
  at += 4
}

/** An unsigned integer below 2^53, with the shortest head. */
export function writeUint(value: number): void {
  writeHead(0x00, value)
}

/** The head of an array, map, byte or text string, the shortest there is. */
export function writeHead(major: number, argument: number): void {
  if (argument < 24) {
    scratch[at++] = major | argument
  } else if (argument < 0x100) {
    scratch[at++] = major | 24
    scratch[at++] = argument
  } else if (argument < 0x1_0000) {
    scratch[at++] = major | 25
    scratch[at++] = argument >>> 8
    scratch[at++] = argument
  } else if (argument < 0x1_0000_0000) {
    scratch[at++] = major | 26
    writeU32(argument)
  } else {
    scratch[at++] = major | 27
    // Division, not shifts: JavaScript's bit operators wrap at 2^32.
    writeU32(Math.floor(argument / 0x1_0000_0000))
    writeU32(argument % 0x1_0000_0000)
  }
}

/** A byte string. */
export function writeBytes(bytes: Uint8Array): void {
  writeHead(0x40, bytes.length)
  writeRaw(bytes)
}

/** Bytes without a head. */
export function writeRaw(bytes: Uint8Array): void {
  scratch.set(bytes, at)
  at += bytes.length
}

/** A text string of ASCII characters. */
export function writeText(text: string): void {
  writeHead(0x60, text.length)
  at += scratch.write(text, at, 'latin1')
}
