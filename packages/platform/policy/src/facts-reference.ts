import { factNames, factRow } from './facts.ts'

/** The reference page of facts: a table in Markdown, one row for each fact of the schema. */
export function factsReference(): string {
  const rows = factNames.map((name) => {
    const { type, nullable, meaning, values } = factRow(name)
    const shown = type === 'list' ? 'list of strings' : type
    const set = values === undefined ? '' : ` One of ${values.map((value) => `\`${value}\``).join(', ')}.`
    return `| \`${name}\` | ${shown}${nullable ? ' or null' : ''} | ${meaning}${set} |`
  })
  return ['| fact | type | meaning |', '|---|---|---|', ...rows, ''].join('\n')
}
