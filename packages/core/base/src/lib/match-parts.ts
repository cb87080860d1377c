/** Counts the offsets that were looked at: what the tests hold the matcher's cost to, where a time would prove nothing. */
export interface Effort {
  steps: number
}

/**
 * Whether the whole of `value` is of the form of `parts`: literals, `*` for any characters but `/`, and `**` for any.
 *
 * Keeps the set of offsets that the parts so far can reach, and advances it part by part. There is nothing to go
 * back to: the steps are at most the number of parts times the length of the value.
 */
export function matchParts(parts: readonly string[], value: string, effort: Effort = { steps: 0 }): boolean {
  let reached = new Uint8Array(value.length + 1)
  reached[0] = 1
  for (const part of parts) {
    const next = new Uint8Array(value.length + 1)
    const found =
      part === '*' || part === '**'
        ? spread(reached, next, { value, part, effort })
        : step(reached, next, { value, part, effort })
    if (!found) return false
    reached = next
  }
  return reached[value.length] === 1
}

interface Advance {
  readonly value: string
  readonly part: string
  readonly effort: Effort
}

// From every offset reached, on to all that follow: to the end, or for `*` to the next slash.
function spread(reached: Uint8Array, next: Uint8Array, { value, part, effort }: Advance): boolean {
  const stopsAtSlash = part === '*'
  let runs = false
  let found = false
  for (let at = reached.indexOf(1); at <= value.length; at++) {
    effort.steps++
    runs ||= reached[at] === 1
    if (!runs) continue
    next[at] = 1
    found = true
    if (stopsAtSlash && value[at] === '/') runs = false
  }
  return found
}

// From every offset reached at which the literal stands, on to its end.
function step(reached: Uint8Array, next: Uint8Array, { value, part, effort }: Advance): boolean {
  let found = false
  const last = value.length - part.length
  for (let at = reached.indexOf(1); at >= 0 && at <= last; at++) {
    effort.steps++
    if (reached[at] !== 1 || !value.startsWith(part, at)) continue
    next[at + part.length] = 1
    found = true
  }
  return found
}
