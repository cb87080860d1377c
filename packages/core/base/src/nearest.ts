/**
 * The member of `known` that is spelled most like `word`, the first of several, or `undefined` if none is close.
 *
 * For error messages: an unknown key names the known one that was probably meant. Close is: at most two letters
 * differ (of longer words a third), but not all of them, and case does not count. Nothing is close to a word of
 * more than 128 characters. The plural of a word is close to it, whatever its ending.
 *
 * @example
 * nearest('audiance', ['audience', 'expiry']) // => 'audience'
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > wordCharsMax) return undefined
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1
  const lower = word.toLowerCase()
  for (const candidate of known) {
    const longest = Math.max(word.length, candidate.length)
    if (longest > wordCharsMax) continue
    if (isPluralOf(lower, candidate.toLowerCase())) return candidate
    if (Math.abs(word.length - candidate.length) >= bestDistance) continue
    const distance = editDistance(lower, candidate.toLowerCase())
    // At a distance of the whole length, every letter would have to change.
    if (distance < bestDistance && distance < longest) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

const wordCharsMax = 128

// One is the plural of the other, as far as keys of configurations go: `policies`, `rules`.
function isPluralOf(a: string, b: string): boolean {
  return a !== b && singular(a) === singular(b)
}

function singular(word: string): string {
  return word.endsWith('ies') ? `${word.slice(0, -3)}y` : word.replace(/([^s])s$/, '$1')
}

// Levenshtein's, row by row.
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, (previous[j] as number) + 1, (row[j - 1] as number) + 1))
    }
    previous = row
  }
  return previous[b.length] as number
}
