import type { JwtToken, KeySig, MerkleToken, ProofToken } from '@quantum-ip/token'
import type { SigningKeyRecord } from '@quantum-ip/trust'
import type { VerifyInput } from '../verify-input.ts'
import type { Binding, Reason, VerificationPath } from '../verdict.ts'
import type { DeepResult } from './deep-result.ts'
import type { PresentedHead } from './head-keeper.ts'
import type { TokenFacts } from './token-facts.ts'

/** One verification under way: what the steps have found out so far. */
export class Check {
  readonly input: VerifyInput
  readonly startedMs: number
  nowMs: number
  path: VerificationPath = 'cold'
  /** The text that is cached under: of a reference the reference. */
  text = ''
  /** What was parsed; absent where the cache knew the token. */
  token: MerkleToken | JwtToken | undefined = undefined
  facts: TokenFacts | undefined = undefined
  key: SigningKeyRecord | undefined = undefined
  /** Whether the token's authenticity is known from the cache. */
  isProven = false
  isFresh = true
  acceptsStale = false
  authenticated = false
  binding: Binding = 'none'
  /** The proof of possession that the binding rests on. */
  proof: ProofToken | undefined = undefined
  requestBound = false
  domainAudience = false
  deep: DeepResult | undefined = undefined
  /** Whether a deep check of this token was asked for and left out. */
  isShallow = false
  isRetry = false
  /** Whether replay was ruled out among the calls of this instance only. */
  isFreshHere = false
  /** Whether it is counted among the verifications that wait. */
  isPending = false
  /** The unverifiable reasons that hold, the first one first: an invalid one that is found later still wins. */
  unverifiable: Reason[] | undefined = undefined

  constructor(input: VerifyInput, nowMs: number, startedMs: number) {
    this.input = input
    this.nowMs = nowMs
    this.startedMs = startedMs
  }

  get sigs(): readonly KeySig[] {
    return this.token === undefined || this.token.form === 'jwt' ? noSigs : this.token.sigs
  }

  /** What it brought for its head. */
  get presented(): PresentedHead {
    return { sigs: this.sigs, staple: this.input.staple, priority: this.input.priority ?? 1 }
  }

  addUnverifiable(reason: Reason): void {
    if (this.unverifiable === undefined) this.unverifiable = [reason]
    else this.unverifiable.push(reason)
  }
}

const noSigs: readonly KeySig[] = Object.freeze([])
