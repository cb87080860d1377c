/** The three forms of a token, by what a text begins with. */
export type TokenForm = 'merkle' | 'reference' | 'jwt'

/**
 * Why a text is not a token, as a value: what the functions named `readX` return instead of throwing.
 *
 * Attackers choose *invalid*, so failing must be cheap. An `Error` costs 2.5 us here, nearly all of it
 * the stack trace (0.8 us with `Error.stackTraceLimit = 0`, which is global and would blind everybody
 * else). These objects are made once, when the module is loaded; the decoders throw them, which costs
 * 0.5 us, and `readX` catches them. `parseX` wraps them in a `TokenError` for everybody who is not in a hurry.
 *
 * A refusal is shared and immutable, and says nothing about the text that was refused.
 */
export class TokenRefusal {
  /** What is wrong, for people. From a closed set of constant texts. */
  readonly reason: string
  /** Whether the text is the beginning of a token, by the truncation grammar; if not, it is malformed. */
  readonly truncated: boolean

  /** For this package's own table of refusals. */
  constructor(reason: string, truncated = false) {
    this.reason = reason
    this.truncated = truncated
    Object.freeze(this)
  }
}
