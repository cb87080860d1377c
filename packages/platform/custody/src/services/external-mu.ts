import { createHash } from 'node:crypto'
import { concatBytes } from '@quantum-ip/base'
import type { PublicKey } from '@quantum-ip/crypto'

/**
 * The message representative μ of ML-DSA for a message with the empty context, 64 bytes (FIPS 204, algorithms 2 and 7):
 *
 *     tr = SHAKE256(pk, 64)    μ = SHAKE256(tr ‖ 0x00 ‖ 0x00 ‖ M, 64)
 *
 * A service that signs μ makes an ordinary signature over the message, which may be of any length and stays here. Whoever may have μ signed
 * may sign for any context, so that such a key has one purpose and no other.
 */
export function externalMu({ bytes }: PublicKey, message: Uint8Array): Uint8Array {
  return shake256(concatBytes(shake256(bytes), Uint8Array.of(0, 0), message))
}

function shake256(bytes: Uint8Array): Uint8Array {
  return createHash('shake256', { outputLength: 64 }).update(bytes).digest()
}
