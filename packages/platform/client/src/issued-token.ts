/** A token as it was handed out. **A bearer secret: neither inspection nor JSON shows the text.** */
export class IssuedToken {
  readonly #token: string
  /** The value of `Quantum-IP-Head` that belongs to it; `undefined` for forms that carry none. */
  readonly staple: string | undefined
  /** Seconds since 1970. */
  readonly expiresS: number

  constructor(token: string, staple: string | undefined, expiresS: number) {
    this.#token = token
    this.staple = staple
    this.expiresS = expiresS
  }

  /** The value of the `Quantum-IP` field. */
  get token(): string {
    return this.#token
  }
}
