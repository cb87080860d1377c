import type { Confirmation } from '@quantum-ip/token'
import type { AttestationFacts, BuildFacts, ChainHop, TokenForm, TokenReference } from '../verdict.ts'
import type { ProvisionalHead } from './provisional-head.ts'

/** A hop of the chain with the origins that its numbers stand for. */
export interface HopFacts extends ChainHop {
  readonly logOrigin: string
  /** Empty where the hop's token named no attestation. */
  readonly attestationOrigin: string
}

/** What a token says, as {@link TokenFacts} takes it. */
export interface TokenFactsParts {
  readonly form: TokenForm
  readonly td: string
  readonly sub: string
  readonly aud: readonly string[]
  readonly exp: number
  readonly iat: number
  readonly oneTime: boolean
  readonly cnf: Confirmation | undefined
  readonly req: Uint8Array | undefined
  readonly hops: readonly HopFacts[]
  readonly build: BuildFacts | undefined
  readonly attestation: AttestationFacts | undefined
  /** SHA-256 of the claims, or of a JWT's payload: a character U+0000..U+00FF for each byte. */
  readonly digestText: string
  readonly index: number
  /** The C2SP ID of the issuing key; 0 for a JWT. */
  readonly keyId: number
  readonly start: number
  readonly end: number
  /** Thumbprint of the key: a JWT names it, a Merkle token's comes from the key record. */
  readonly kid: string
  /** Origin of the token log: from the key record, for a JWT from its claims. */
  readonly log: string
}

/**
 * What a token says and what it rests on: all that does not depend on who asks or when, and the only
 * thing that is cached.
 *
 * Small, since there may be a hundred thousand. It owns its bytes: a view of the decoded token would keep a
 * pool of buffers alive. The digest is a string of 44 bytes, not an array of 230. `jti`, the secret, is
 * not kept at all.
 */
export class TokenFacts implements TokenFactsParts {
  readonly form: TokenForm
  readonly td: string
  readonly sub: string
  readonly aud: readonly string[]
  readonly exp: number
  readonly iat: number
  readonly oneTime: boolean
  readonly cnf: Confirmation | undefined
  readonly req: Uint8Array | undefined
  readonly hops: readonly HopFacts[]
  readonly build: BuildFacts | undefined
  readonly attestation: AttestationFacts | undefined
  readonly digestText: string
  readonly index: number
  readonly keyId: number
  readonly start: number
  readonly end: number
  kid: string
  log: string
  /** The hash that the proof leads to, once it was evaluated. */
  head: Uint8Array | undefined = undefined
  /** The head that it relies on, as long as no state has listed it. */
  provisional: ProvisionalHead | undefined = undefined

  constructor(parts: TokenFactsParts) {
    this.form = parts.form
    this.td = parts.td
    this.sub = parts.sub
    this.aud = parts.aud
    this.exp = parts.exp
    this.iat = parts.iat
    this.oneTime = parts.oneTime
    this.cnf = parts.cnf
    this.req = parts.req
    this.hops = parts.hops
    this.build = parts.build
    this.attestation = parts.attestation
    this.digestText = parts.digestText
    this.index = parts.index
    this.keyId = parts.keyId
    this.start = parts.start
    this.end = parts.end
    this.kid = parts.kid
    this.log = parts.log
  }

  /** Notes what the key record says: under which key, in which log. */
  place(kid: string, log: string): void {
    if (this.kid === kid && this.log === log) return
    this.kid = kid
    this.log = log
  }
}

/** Whether a hop of the chain names an attestation. */
export function namesAttestation(hops: readonly HopFacts[]): boolean {
  for (const { attestationOrigin } of hops) if (attestationOrigin !== '') return true
  return false
}

/** Writes the bytes of a hash that is written as 32 characters. */
export function writeHash(text: string, into: Uint8Array): Uint8Array {
  for (let at = 0; at < 32; at++) into[at] = text.charCodeAt(at)
  return into
}

/** What names a token in a verdict. Few readers of verdicts want the digest: it is made when it is asked for. */
export class TokenName implements TokenReference {
  readonly log: string
  readonly index: number
  readonly #digestText: string

  constructor({ log, index, digestText }: TokenFacts) {
    this.log = log
    this.index = index
    this.#digestText = digestText
  }

  get digest(): Uint8Array {
    return writeHash(this.#digestText, new Uint8Array(32))
  }
}
