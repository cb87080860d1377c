import { equalBytes, hex } from '@quantum-ip/base'
import { evaluateSubtreeInclusion } from '@quantum-ip/log'
import { parseMerkleToken, parseStaple } from '@quantum-ip/token'
import type { Seeded } from '@quantum-ip/testing'
import { type ClientSession, post, shop } from '../support.ts'

/** A token that the authority handed out. */
export interface Handed {
  readonly origin: string
  readonly index: number
  readonly digest: string
  /** Its head: `<key ID hex8>/<start>-<end>`, and the hash. */
  readonly head: string
  readonly hash: string
}

/** Clients that draw tokens, one by one and in bulk, until they are stopped. */
export class Load {
  readonly handed: Handed[] = []
  /** Requests that were refused for another reason than that nobody answered. */
  readonly refusals: string[] = []
  #stopped = false
  #running: Promise<unknown> = Promise.resolve()

  start(url: string, session: ClientSession, random: Seeded): void {
    this.#stopped = false
    const singles = [1, 2, 3].map(() => this.#draw(url, session, () => 1))
    this.#running = Promise.all([...singles, this.#draw(url, session, () => random.integer(20, 120))])
  }

  /** Takes refusals with these codes as what they are: the database was away. */
  forgive(...codes: readonly string[]): void {
    const others = this.refusals.filter((text) => !codes.some((code) => text.includes(code)))
    this.refusals.splice(0, this.refusals.length, ...others)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  /**
   * Draws one token now.
   *
   * @returns whether there was an answer, and it was a token
   */
  drawOne(url: string, session: ClientSession): Promise<boolean> {
    return this.#drawOnce(url, session, 1).then(
      (status) => status === 200,
      (error: unknown) => {
        if (!(error instanceof TypeError)) throw error
        return false
      },
    )
  }

  async #draw(url: string, session: ClientSession, count: () => number): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#drawOnce(url, session, count())
      } catch (error) {
        // Killed in the middle: nobody knows what became of the request.
        if (!(error instanceof TypeError)) throw error
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async #drawOnce(url: string, session: ClientSession, count: number): Promise<number> {
    const body = { audience: shop, count, ttl: 3_600 }
    const answer = await post(url, '/v1/tokens', { body, session })
    if (answer.status !== 200) this.refusals.push(answer.text)
    else this.#take(answer.body as { tokens: string[]; heads: string[] })
    return answer.status
  }

  #take({ tokens, heads }: { readonly tokens: readonly string[]; readonly heads: readonly string[] }): void {
    const staples = heads.flatMap((head) => parseStaple(head))
    for (const text of tokens) {
      const { index, start, end, keyId, digest, leafHash, path } = parseMerkleToken(text)
      const hash = evaluateSubtreeInclusion({ index, start, end, leafHash, proof: path })
      const staple = staples.find((each) => each.start === start && each.end === end)
      if (staple === undefined || !equalBytes(staple.hash, hash))
        throw new Error('a token is not under its head')
      const head = `${keyId.toString(16).padStart(8, '0')}/${start}-${end}`
      this.handed.push({ origin: staple.origin, index, digest: hex(digest), head, hash: hex(hash) })
    }
  }
}
