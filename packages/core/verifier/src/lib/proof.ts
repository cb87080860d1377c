import { isQipError } from '@quantum-ip/base'
import { evaluateSubtreeInclusion } from '@quantum-ip/log'
import { type MerkleToken, tokenLeafHash } from '@quantum-ip/token'
import { type TokenFacts, writeHash } from './token-facts.ts'

// Filled and hashed before anybody else can.
const scratch = new Uint8Array(32)

/** Step *proof*: the head that the path leads to for exactly (index, start, end); `undefined` if it has not the length for it. */
export function evaluatePath({ path }: MerkleToken, facts: TokenFacts): Uint8Array | undefined {
  const { index, start, end, exp, digestText } = facts
  const digest = writeHash(digestText, scratch)
  try {
    return evaluateSubtreeInclusion({
      index,
      start,
      end,
      leafHash: tokenLeafHash({ exp, digest }),
      proof: path,
    })
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  }
}
