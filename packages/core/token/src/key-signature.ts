import type { SubtreeSignature } from '@quantum-ip/log'
import type { CborReader } from './lib/cbor-reader.ts'
import * as write from './lib/cbor-writer.ts'
import { refusals } from './lib/refusals.ts'

/**
 * One cosigner's signature over `subtree/v1` of a subtree, with timestamp 0 (`keysig` of the wire format): what `signSubtree` of
 * `@quantum-ip/log` returns. ML-DSA-44 (2,420 bytes) or Ed25519 (64 bytes).
 */
export type KeySig = SubtreeSignature

const ed25519Bytes = 64
const mlDsa44Bytes = 2420
const signaturesMax = 4

/** Reads `[1*4 keysig]`: ascending key IDs, no duplicates, the two sizes that cosigners have. */
export function readKeySigs(reader: CborReader): readonly KeySig[] {
  const count = reader.array(1, signaturesMax)
  const sigs: KeySig[] = []
  for (let last = -1; sigs.length < count;) {
    const size = reader.bytesHead(4 + ed25519Bytes, 4 + mlDsa44Bytes) - 4
    if (!isSignatureSize(size)) throw refusals.size
    const keyId = reader.u32()
    if (keyId <= last) throw refusals.cosigners
    last = keyId
    sigs.push({ keyId, signature: reader.take(size) })
  }
  return sigs
}

/**
 * Writes `[1*4 keysig]`, sorted by key ID.
 *
 * @throws {TypeError} for no or too many signatures, equal key IDs or a size that no cosigner signs with.
 */
export function writeKeySigs(sigs: readonly KeySig[]): void {
  if (sigs.length < 1 || sigs.length > signaturesMax) throw new TypeError('a head has 1 to 4 signatures')
  write.writeHead(0x80, sigs.length)
  let last = -1
  for (const { keyId, signature } of sigs.toSorted((a, b) => a.keyId - b.keyId)) {
    if (!(keyId > last) || keyId > 0xffff_ffff) throw new TypeError('key IDs must be different u32')
    if (!isSignatureSize(signature.length)) throw new TypeError('a signature is ML-DSA-44 or Ed25519')
    last = keyId
    write.writeHead(0x40, 4 + signature.length)
    write.writeU32(keyId)
    write.writeRaw(signature)
  }
}

function isSignatureSize(size: number): boolean {
  return size === ed25519Bytes || size === mlDsa44Bytes
}
