import { type Clock, type Random } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'
import { formatReferenceToken, parseReferenceToken } from '@quantum-ip/token'
import type { Sql } from '../store/sql.ts'

/** What reference tokens stand for. The handle is a secret: only its hash is kept. */
export class References {
  readonly #sql: Sql
  readonly #clock: Clock
  readonly #random: Random

  constructor(sql: Sql, clock: Clock, random: Random) {
    this.#sql = sql
    this.#clock = clock
    this.#random = random
  }

  /** Keeps tokens, durably, and returns a reference for each. */
  async refer(
    tokens: readonly { readonly token: string; readonly expiresS: number }[],
    keyId: number,
  ): Promise<readonly string[]> {
    const references = tokens.map(() => {
      const handle = this.#random.bytes(16)
      return { hash: sha256(handle), text: formatReferenceToken({ keyId, handle }) }
    })
    const nowS = Math.floor(this.#clock.now() / 1_000)
    await this.#sql.transact([
      { sql: 'DELETE FROM token_references WHERE expires_s < ?', params: [nowS - 60] },
      {
        sql: 'INSERT INTO token_references (handle_hash, token, expires_s) VALUES (?, ?, ?)',
        each: references.map(({ hash }, i) => [hash, tokens[i]?.token ?? '', tokens[i]?.expiresS ?? 0]),
      },
    ])
    return references.map(({ text }) => text)
  }

  /** The token that a reference stands for. @throws {TokenError} if the text is no reference */
  async resolve(text: string): Promise<string | undefined> {
    const { handle } = parseReferenceToken(text)
    const [row] = await this.#sql.query('SELECT token FROM token_references WHERE handle_hash = ?', [
      sha256(handle),
    ])
    return row?.['token'] as string | undefined
  }
}
