import type { Clock } from '@quantum-ip/base'
import type { Publisher } from '../state/publisher.ts'
import type { KeyRing } from './key-ring.ts'
import { type RotatedUse, rotatedUses } from './rotation.ts'
import type { Rotations } from './rotations.ts'

/** How long a key of each use signs, milliseconds. */
export type KeyLives = Readonly<Record<RotatedUse, number>>

const dayMs = 24 * 3_600_000
const defaults: KeyLives = {
  'qip-token': dayMs,
  'qip-jwt': 30 * dayMs,
  'qip-feed': 30 * dayMs,
  'qip-log': 365 * dayMs,
  'qip-policy': 365 * dayMs,
}
/** After a rotation that was withdrawn or rolled back: time to look into it. Short-lived keys wait a quarter of their life. */
const retryMs = 3_600_000

/** When keys are due. */
export class KeySchedule {
  readonly #keys: KeyRing
  readonly #clock: Clock
  readonly #lives: KeyLives

  constructor(keys: KeyRing, clock: Clock, lives: Partial<KeyLives> = {}) {
    this.#keys = keys
    this.#clock = clock
    this.#lives = { ...defaults, ...lives }
  }

  /** Begins the rotations that are due. */
  async start(rotations: Rotations): Promise<void> {
    for (const use of rotatedUses) {
      if (!this.#isDue(use)) continue
      const [last] = await rotations.list(1, use)
      const failed = last?.outcome === 'withdrawn' || last?.outcome === 'rolled-back'
      const waitMs = Math.min(retryMs, this.#lives[use] / 4)
      if (failed && this.#clock.now() - (last.endedMs ?? 0) < waitMs) continue
      await rotations.start({ use, cause: 'scheduled', askedBy: 'schedule' })
    }
  }

  #isDue(use: RotatedUse): boolean {
    const active = this.#keys.find(use, 'active')
    return active !== undefined && this.#clock.now() - active.changedMs > this.#lives[use]
  }
}

/** Whether the bundle says something else about a key than the key ring does: an earlier publication failed. */
export function isBundleBehind({ bundle }: Pick<Publisher, 'bundle'>, keys: KeyRing): boolean {
  const listed = new Map(bundle.keys.map(({ key, state }) => [key.kid, state]))
  return keys.list().some(({ record: { key, state } }) => {
    const seen = listed.get(key.kid)
    // What has ended long ago is left out.
    return seen === undefined ? state === 'published' || state === 'active' : seen !== state
  })
}
