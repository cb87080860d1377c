import { limits } from '@quantum-ip/base'
import type { Subtree, SubtreeProver } from '@quantum-ip/log'
import { formatMerkleToken, type KeySig, parseStaple } from '@quantum-ip/token'
import type { TokenLog } from './token-log.ts'

/** The signatures of a head, out of its `Quantum-IP-Head` value. */
export function signaturesOf(staple: string): readonly KeySig[] {
  return parseStaple(staple)[0]?.sigs ?? []
}

// A path has at most 16 hashes; formatting copies it before the next token overwrites it.
const room = new Uint8Array(32 * limits.pathHashesMax)

/** What one token of a batch is put together from. */
export interface TokenPart {
  readonly claimsBytes: Uint8Array
  readonly index: number
  readonly prover: SubtreeProver
  readonly sigs: readonly KeySig[] | undefined
  readonly charsMax: number
}

/** The text of a token of `log`. */
export function formatToken({ keyId }: TokenLog, part: TokenPart): string {
  const { claimsBytes, index, prover, sigs, charsMax } = part
  const bytes = prover.pathInto(index, room, 0)
  const path = { bytes: room, offset: 0, count: bytes / 32 }
  const { start, end }: Subtree = prover
  return formatMerkleToken({ claimsBytes, keyId, index, start, end, path, sigs }, charsMax)
}
