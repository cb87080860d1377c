import type { AuthorityParts } from '../authority-parts.ts'
import { readChange } from '../store/changes.ts'
import type { Sql } from '../store/sql.ts'
import type { KeyRing } from './key-ring.ts'
import { isBundleBehind } from './schedule.ts'

/** Keeps a key ring in line with what other instances change in the store. */
export class KeyFollower {
  readonly #sql: Sql
  readonly #keys: KeyRing
  #seen = -1

  constructor(sql: Sql, keys: KeyRing) {
    this.#sql = sql
    this.#keys = keys
  }

  /** Reads the keys again if anybody changed them since. @returns whether that was so */
  async refresh(): Promise<boolean> {
    // First the number: what is changed while the keys are read is read once more.
    const number = await readChange(this.#sql, 'keys')
    if (number === this.#seen) return false
    await this.#keys.refresh()
    this.#seen = number
    return true
  }
}

/** How soon the keys of other instances are published. */
const followMs = 200

/**
 * Lets verifiers know the issuing keys that other instances have made or changed, as long as it is open.
 *
 * @param inTurn runs a change of keys when no other one is under way
 */
export function followOthers(
  { follower, publisher, keys }: Pick<AuthorityParts, 'follower' | 'publisher' | 'keys'>,
  inTurn: (change: () => Promise<void>) => Promise<void>,
): { close(): void } {
  const follow = async (): Promise<void> => {
    if (!(await follower.refresh()) && !isBundleBehind(publisher, keys)) return
    await inTurn(async () => {
      if (isBundleBehind(publisher, keys)) await publisher.publishKeys()
    })
  }
  // What cannot be read or published now is by the next turn.
  const timer = setInterval(() => void follow().catch(() => undefined), followMs)
  timer.unref()
  return { close: () => clearInterval(timer) }
}
