import type { Platform } from './platform.ts'
import type { ScriptToken } from './token.ts'

const leafPrefix = 0
const nodePrefix = new Uint8Array([1])

/*
 * leaf  = SHA-256(00 ‖ 01 01 ‖ u32be exp ‖ SHA-256(claims))      ; the entry of a Merkle token
 * node  = SHA-256(01 ‖ left ‖ right)                             ; RFC 6962, section 2.1
 */

/**
 * The hash that the covering subtree must have if the token is in it at exactly its index; `undefined` if the path has not the length
 * for that place. To be compared with the head held under exactly (key, start, end): *Evaluating a Subtree Inclusion Proof* of
 * Merkle Tree Certificates.
 */
export function evaluateProof(
  token: ScriptToken,
  digest: Uint8Array,
  platform: Platform,
): Uint8Array | undefined {
  const exp = token.claims.exp
  const entry = new Uint8Array([leafPrefix, 1, 1, exp >>> 24, exp >>> 16, exp >>> 8, exp])
  let hash = platform.sha256([entry, digest])
  // Division and modulo, never bit operators: those wrap at 2^32, indices go to 2^48.
  let fn = token.index - token.start
  let sn = token.end - token.start - 1
  const path = token.path
  for (let at = 0; at < path.length; at += 32) {
    if (sn === 0) return undefined
    const sibling = path.subarray(at, at + 32)
    if (fn % 2 === 1 || fn === sn) {
      hash = platform.sha256([nodePrefix, sibling, hash])
      // The levels at which the right edge has no sibling.
      while (fn % 2 === 0) {
        fn /= 2
        sn = Math.floor(sn / 2)
      }
    } else {
      hash = platform.sha256([nodePrefix, hash, sibling])
    }
    fn = Math.floor(fn / 2)
    sn = Math.floor(sn / 2)
  }
  return sn === 0 ? hash : undefined
}
