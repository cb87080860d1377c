import { base64url, isQipError, limits } from '@quantum-ip/base'
import {
  type ProofTarget,
  type ProofToken,
  proofTokenHash,
  readProofTarget,
  readProofToken,
  verifyProofToken,
} from '@quantum-ip/token'
import type { VerifierObserver } from '../observer.ts'
import type { RequestFacts, VerifyInput } from '../verify-input.ts'
import type { Check } from './check.ts'
import { callerClass, type SignatureQueue } from './signature-queue.ts'

/*
 * Proof of possession by `Workload-Proof-Token`: whether the caller has the key whose thumbprint its token confirms (`cnf.jkt`), for
 * this very request. All but the signature is checked at once, and refuses before anything is paid for.
 */

/**
 * The proof that the request carries for a token bound to the key `jkt`, complete but for its signature and its being used once;
 * `undefined` where there is none that could hold.
 */
export function readPossession(check: Check, jkt: Uint8Array, toleranceS: number): ProofToken | undefined {
  const { token, proof: text, proofCount = 1 } = check.input
  if (token === undefined || text === undefined || proofCount !== 1) return undefined
  const proof = readProofToken(text)
  if (proof === undefined) return undefined
  const isGood =
    proof.key.kid === base64url(jkt) &&
    base64url(proof.tokenHash) === base64url(proofTokenHash(token)) &&
    isTimely({ proof, nowMs: check.nowMs }, toleranceS) &&
    isFor(proof.target, check.input)
  return isGood ? proof : undefined
}

/** Whether a proof is neither over nor made for later, and short. */
export function isTimely({ proof, nowMs }: Pick<Check, 'proof' | 'nowMs'>, toleranceS: number): boolean {
  if (proof === undefined) return false
  const { exp, iat } = proof
  const nowS = nowMs / 1_000
  if (nowS > exp + toleranceS || exp > nowS + limits.proofTtlMaxS + toleranceS) return false
  if (iat === undefined) return true
  return iat <= nowS + toleranceS && exp > iat && exp - iat <= limits.proofTtlMaxS
}

// The authority is compared with configured names where there are any: a `Host` field is anybody's word. A name with a scheme says which
// one callers write, whatever the connection is behind whoever ended TLS.
function isFor(
  { scheme, authority, path }: ProofTarget,
  { request, proofAuthorities }: VerifyInput,
): boolean {
  if (request === undefined || pathOf(request) !== path) return false
  const names = proofAuthorities ?? [request.authority]
  if (proofAuthorities?.includes(`${scheme}://${authority}`) === true) return true
  return (request.scheme === undefined || request.scheme === scheme) && names.includes(authority)
}

function pathOf({ target }: RequestFacts): string | undefined {
  const path = target.split('?', 1)[0] ?? ''
  return path.startsWith('/') ? path : readProofTarget(path)?.path
}

/** Where signatures are checked, and who hears how long it took. */
export interface MeasuredQueue {
  readonly queue: SignatureQueue
  readonly observer: VerifierObserver
  readonly stopwatch: () => number
}

/** Whether the signature of a proof holds: found out on the thread pool when it is its turn, and measured. `shed` where too many wait. */
export async function askPossession(
  { proof, input }: Check,
  parts: MeasuredQueue,
): Promise<boolean | 'shed'> {
  if (proof === undefined) throw new TypeError('no proof to ask for')
  return parts.queue.run(callerClass(input.priority ?? 1, 'jwt'), () => holds(proof, parts))
}

async function holds(proof: ProofToken, { observer, stopwatch }: MeasuredQueue): Promise<boolean> {
  const startedMs = stopwatch()
  try {
    await verifyProofToken(proof)
    return true
  } catch (error) {
    if (isQipError(error)) return false
    throw error
  } finally {
    observer.crypto('verify_proof', proof.key.alg, stopwatch() - startedMs)
  }
}
