import type { Random } from '@quantum-ip/base'

/** What {@link SampleDraws.next} is below. */
export const drawMax = 0x1_0000

const blockBytes = 1_024

/**
 * Random numbers of 16 bits, one for each request that may be sampled: many out of one block, for a draw of two bytes by
 * itself costs ten times what reading them does. Nobody outside can tell which request is next to be sampled.
 */
export class SampleDraws {
  readonly #random: Random
  #block = new Uint8Array(0)
  #at = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** A whole number from 0 to 65,535. */
  next(): number {
    if (this.#at >= this.#block.length) {
      this.#block = Uint8Array.from(this.#random.bytes(blockBytes))
      this.#at = 0
    }
    const at = this.#at
    this.#at = at + 2
    return (this.#block[at] as number) * 256 + (this.#block[at + 1] as number)
  }
}
