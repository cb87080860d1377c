import { limits, utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import type { ProofToken } from '@quantum-ip/token'
import type { OneTimeUse } from '../replay-guard.ts'
import type { TokenFacts } from './token-facts.ts'

/** What is used once: a token, or a proof. */
export type OnceUsed = Pick<OneTimeUse, 'log' | 'index' | 'expiresS' | 'issuedS'>

/** What a request uses up, if anything. A proof is for one token: with a one-time token it is used up as well. */
export function onceUsed(
  { oneTime, log, index, exp, iat }: TokenFacts,
  proof: ProofToken | undefined,
): OnceUsed | undefined {
  if (oneTime) return { log, index, expiresS: exp, issuedS: iat }
  return proof && proofUse(proof)
}

/*
 * A proof as the replay memory takes it: 40 bits of the hash of key and `jti`, spread over 16 logs that are none. At 10,000 proofs
 * in a second, one in two million is refused for another's sake.
 *
 * The memory refuses what may have been used before it began; a proof that does not say when it was made, was made as early as can be.
 */
function proofUse({ key, jti, exp, iat }: ProofToken): OnceUsed {
  const hash = sha256(utf8(`${key.kid} ${jti}`))
  const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = hash
  const index = (((first & 0x0f) * 256 + second) * 256 + third) * 65_536 + fourth * 256 + fifth
  // No origin of a log has a space.
  return {
    log: `proofs of possession ${first >>> 4}`,
    index,
    expiresS: exp,
    issuedS: iat ?? exp - limits.proofTtlMaxS,
  }
}
