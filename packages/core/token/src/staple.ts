import { Buffer } from 'node:buffer'
import { limits } from '@quantum-ip/base'
import { type KeySig, readKeySigs, writeKeySigs } from './key-signature.ts'
import { CborReader } from './lib/cbor-reader.ts'
import * as write from './lib/cbor-writer.ts'
import { refusals } from './lib/refusals.ts'
import { isCoveringSubtree, readSubtree } from './lib/subtree-reader.ts'
import { TokenError } from './token-errors.ts'
import { TokenRefusal } from './token-refusal.ts'

/** A head as it is stapled to a request: a subtree's hash and what signs it. **Not verified.** */
export interface StapledHead {
  /** The token log, `acme.example/tokens/7`: 1 to 255 visible ASCII characters. */
  readonly origin: string
  readonly start: number
  readonly end: number
  /** 32 bytes. */
  readonly hash: Uint8Array
  readonly sigs: readonly KeySig[]
}

/*
 * staple = [1*2 head]                                   ; Quantum-IP-Head: base64url of this, deterministic CBOR
 * head   = [ origin : text .size (1..255), start : uint, end : uint, hash : bytes .size 32, [1*4 keysig] ]
 */

const originForm = /^[\u0021-\u007e]{1,255}$/

/**
 * The value of a `Quantum-IP-Head` field.
 *
 * @throws {TokenError} `QIP_TOKEN_TOO_LONG` if it does not fit into 8,000 characters.
 * @throws {TypeError} for none or more than two heads, or what cannot be a head.
 */
export function formatStaple(heads: readonly StapledHead[]): string {
  if (heads.length < 1 || heads.length > limits.stapleHeadsMax)
    throw new TypeError('a staple has one or two heads')
  // Checked before anything is written: the buffer of the encoder has room for what the checks let through.
  for (const { origin, start, end, hash } of heads) {
    if (!originForm.test(origin)) throw new TypeError('not an origin')
    if (hash.length !== 32 || !isCoveringSubtree({ start, end }))
      throw new TypeError('not the head of a subtree')
  }
  write.beginCbor()
  write.writeHead(0x80, heads.length)
  for (const { origin, start, end, hash, sigs } of heads) {
    write.writeByte(0x85)
    write.writeText(origin)
    write.writeUint(start)
    write.writeUint(end)
    write.writeBytes(hash)
    writeKeySigs(sigs)
  }
  const chars = Math.ceil((write.cborSize() * 4) / 3)
  if (chars > limits.headerFieldMax)
    throw new TokenError('QIP_TOKEN_TOO_LONG', { chars, charsMax: limits.headerFieldMax })
  return write.takeCborBase64url()
}

/** Reads the value of a `Quantum-IP-Head` field: the heads, not verified, or why it is none. Never throws. */
export function readStaple(text: string): readonly StapledHead[] | TokenRefusal {
  if (text.length > limits.headerFieldMax) return refusals.tooLong
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) return refusals.alphabet
  try {
    // A staple that was cut off is malformed like any other, so the two ends are one.
    const reader = new CborReader(bytes, bytes.length)
    const heads = Array.from({ length: reader.array(1, limits.stapleHeadsMax) }, () => readHead(reader))
    reader.finish()
    return heads
  } catch (refusal) {
    if (refusal instanceof TokenRefusal) return refusal
    throw refusal
  }
}

function readHead(reader: CborReader): StapledHead {
  reader.array(5, 5)
  const origin = reader.text(255)
  if (!originForm.test(origin)) throw refusals.origin
  const { start, end } = readSubtree(reader)
  return { origin, start, end, hash: reader.bytes(32, 32), sigs: readKeySigs(reader) }
}

/**
 * Parses the value of a `Quantum-IP-Head` field: one or two heads.
 *
 * A stapled head is used only if it is the token's own tuple and computed hash, after everything else was checked, and never
 * takes the place of a head from the signed state.
 *
 * @throws {TokenError} `QIP_TOKEN_STAPLE_MALFORMED` for anything but what {@link formatStaple} writes.
 */
export function parseStaple(text: string): readonly StapledHead[] {
  const heads = readStaple(text)
  if (heads instanceof TokenRefusal)
    throw new TokenError('QIP_TOKEN_STAPLE_MALFORMED', { reason: heads.reason })
  return heads
}
