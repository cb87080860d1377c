import type { Random } from '@quantum-ip/base'

/** A reproducible source of choices: equal seeds, equal choices, on every machine. */
export interface Seeded extends Random {
  /** What {@link seeded} was called with; a failing simulation prints it. */
  readonly seed: number | string
  /** A number in [0, 1). */
  fraction(): number
  /** An integer in [min, max], both included. */
  integer(min: number, max: number): number
  /** Whether something of probability `p` happens. */
  chance(p: number): boolean
  /** One of `choices`, which must not be empty. */
  pick<T>(choices: readonly T[]): T
  /** A new array with the members of `values` in another order. */
  shuffle<T>(values: readonly T[]): T[]
  /** A new source that depends on this one's seed and `label` only, not on what was drawn before. */
  fork(label: string): Seeded
}

/** A {@link Seeded} for `seed`. Not for keys outside of tests. */
export function seeded(seed: number | string): Seeded {
  const next = sfc32(seed)
  const fraction = () => next() / 0x1_0000_0000
  const integer = (min: number, max: number) => min + Math.floor(fraction() * (max - min + 1))
  return {
    seed,
    fraction,
    integer,
    chance: (p) => fraction() < p,
    bytes: (size) => Uint8Array.from({ length: size }, () => next() >>> 24),
    pick<T>(choices: readonly T[]): T {
      if (choices.length === 0) throw new TypeError('nothing to pick from')
      return choices[integer(0, choices.length - 1)] as T
    },
    shuffle<T>(values: readonly T[]): T[] {
      const shuffled = [...values]
      for (let last = shuffled.length - 1; last > 0; last--) {
        const other = integer(0, last)
        const kept = shuffled[last] as T
        shuffled[last] = shuffled[other] as T
        shuffled[other] = kept
      }
      return shuffled
    },
    fork: (label) => seeded(`${seed}/${label}`),
  }
}

/** Deterministic {@link Random} for tests: reproducible keys, nonces and identifiers. */
export function seededRandom(seed: number | string): Random {
  return seeded(seed)
}

// Chris Doty-Humphrey's sfc32: 128 bits of state, fast, good enough to explore with. FNV-1a spreads the seed.
function sfc32(seed: number | string): () => number {
  let a = fnv1a(`a${seed}`)
  let b = fnv1a(`b${seed}`)
  let c = fnv1a(`c${seed}`)
  let counter = 1
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + sum) | 0
    return sum >>> 0
  }
  for (let warmup = 0; warmup < 15; warmup++) next()
  return next
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash | 0
}
