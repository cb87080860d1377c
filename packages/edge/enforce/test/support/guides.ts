import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(import.meta.url), '../../../../..')

function dirname(url: string): string {
  return join(fileURLToPath(url), '..')
}

/**
 * The blocks of a guide whose first line is ```` ```<label> ````, joined: what a test runs is what the guide says. Each of `places` must be in
 * there, and is replaced: addresses that differ from run to run.
 */
export function guideBlock(
  guide: string,
  label: string,
  places: { readonly [written: string]: string } = {},
): string {
  const text = readFileSync(join(root, 'docs/guides', guide), 'utf8')
  const found = [...text.matchAll(/^```(.+)\n([\s\S]*?)^```$/gm)].filter(([, name]) => name === label)
  if (found.length === 0) throw new Error(`${guide} has no block \`${label}\``)
  let block = found.map(([, , body]) => body ?? '').join('\n')
  for (const [written, actual] of Object.entries(places)) {
    if (!block.includes(written)) throw new Error(`${guide} does not say ${written}`)
    block = block.replaceAll(written, actual)
  }
  return block
}
