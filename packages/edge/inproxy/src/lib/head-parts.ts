import { hex, limits } from '@quantum-ip/base'
import type { HeadRecord } from '@quantum-ip/trust'

// Must be what `findHead` of the script divides by.
const startsPerPart = 64

interface HeadPart {
  /** Lines by tuple. */
  readonly lines: Map<string, string>
  /** The latest expiry of a head in it; seconds. */
  exp: number
}

/** The heads in force, cut into parts so small that a proxy can read one on each request. */
export class HeadParts {
  readonly #parts = new Map<string, HeadPart>()

  /** Takes heads in. `keyIdOf` gives the issuing key of a log, 8 hexadecimal digits. Returns the names of the parts that changed. */
  add(heads: Iterable<HeadRecord>, keyIdOf: (origin: string) => string | undefined): Set<string> {
    const changed = new Set<string>()
    for (const { origin, start, end, hash, exp } of heads) {
      const keyId = keyIdOf(origin)
      if (keyId === undefined) continue
      const name = `heads/${keyId}/${Math.floor(start / startsPerPart)}`
      const part = this.#parts.get(name) ?? { lines: new Map<string, string>(), exp: 0 }
      this.#parts.set(name, part)
      part.lines.set(`${start} ${end}`, hex(hash))
      part.exp = Math.max(part.exp, exp)
      changed.add(name)
    }
    return changed
  }

  /** Takes out the parts whose last token has expired for everybody, and returns their names. */
  prune(timeS: number): readonly string[] {
    // A token counts until its `exp` plus the tolerance, on a clock that may be behind by the tolerance.
    const beforeS = timeS - 2 * limits.clockToleranceS
    const gone = [...this.#parts].filter(([, { exp }]) => exp < beforeS).map(([name]) => name)
    for (const name of gone) this.#parts.delete(name)
    return gone
  }

  /** The text of a part. */
  text(name: string): string {
    const lines = this.#parts.get(name)?.lines ?? []
    return `\n${[...lines].map(([tuple, hash]) => `${tuple} ${hash}\n`).join('')}`
  }
}
