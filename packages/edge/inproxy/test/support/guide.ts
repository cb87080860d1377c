import { readFileSync } from 'node:fs'

/** The block of a guide whose fence says `words`: what readers copy is what the tests run. */
export function guideBlock(guide: string, words: string): string {
  const text = readFileSync(new URL(`../../../../../docs/guides/${guide}`, import.meta.url), 'utf8')
  const found = new RegExp(`^\`\`\`${words}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(text)
  if (found?.[1] === undefined) throw new Error(`${guide} has no block \`${words}\``)
  return found[1]
}
