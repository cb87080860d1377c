// Writes the reference pages in docs/reference from the tables in code. `scripts/reference.test.ts` compares the two, so a page
// can neither lag behind nor be written by hand. `node scripts/reference.ts` writes them.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { configJsonSchema } from '@quantum-ip/http'
import { workloadApiDocument } from '@quantum-ip/enforce'
import { factsReference } from '@quantum-ip/policy'
import { metricPrefix, metricTable } from '@quantum-ip/telemetry'
import { verdictTable } from '@quantum-ip/verifier'
import { filesOf, read, root, workspacePackages } from './lib-packages.ts'

const generated = '<!-- Written by `node scripts/reference.ts`; change the table in code instead. -->\n\n'

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').trim()
}

/** Every error code with its meaning, out of the doc comments of the details interfaces. */
function errorsPage(): string {
  const sections = workspacePackages().map(({ name, folder }) => {
    const file = filesOf(folder, 'sources').find((path) => path.endsWith('-errors.ts'))
    if (file === undefined) return ''
    const text = read(file)
    const rows = [...text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(?:readonly )?(QIP_[A-Z0-9_]+):/g)].map(
      ([, comment = '', code]) => {
        const meaning = comment.replaceAll(/^\s*\* ?/gm, '')
        const fault = new RegExp(`${code}: \\{\\s*fault: '(\\w+)'`).exec(text)?.[1] ?? ''
        return `| \`${code}\` | ${fault} | ${cell(meaning)} |`
      },
    )
    return rows.length === 0
      ? ''
      : `## ${name}\n\n| code | fault | meaning |\n|---|---|---|\n${rows.join('\n')}\n`
  })
  const intro =
    'A code is API and stays; messages are for people and change. `fault` alone picks the HTTP status: caller 400, denied 401 or 403, ' +
    'conflict 409, busy 503, defect 500; what is not there is 404.\n\n'
  return `# Error codes\n\n${generated}${intro}${sections.filter((section) => section !== '').join('\n')}`
}

function verdictsPage(): string {
  const rows = Object.entries(verdictTable).map(
    ([reason, { status, when }]) => `| ${status} | \`${reason}\` | ${cell(when)} |`,
  )
  return `# Verdicts\n\n${generated}| status | reason | when |\n|---|---|---|\n${rows.join('\n')}\n`
}

function metricsPage(): string {
  const rows = Object.entries(metricTable).map(
    ([name, { type, help, dimensions }]) =>
      `| \`${metricPrefix}${name}\` | ${type} | ${dimensions.map((dimension) => `\`${dimension}\``).join(' ')} | ${cell(help)} |`,
  )
  const intro = [
    '`outcome` stands for the two labels `status` and `reason`, which belong together, and `service_info` for the labels',
    '`service`, `owner`, `tier` and `stage`; `incident_severity` is the label `severity`.\n\n',
  ].join('\n')
  return `# Metrics\n\n${generated}${intro}| metric | type | labels | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`
}

/** The pages, by their path in the repository. */
export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['docs/reference/errors.md', errorsPage()],
    ['docs/reference/verdicts.md', verdictsPage()],
    ['docs/reference/metrics.md', metricsPage()],
    ['docs/reference/facts.md', `# Facts of policies\n\n${generated}${factsReference()}`],
    ['docs/reference/workload-api.json', `${JSON.stringify(await workloadApiDocument(), undefined, 2)}\n`],
    ['docs/reference/quantum-ip.schema.json', `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`],
  ])
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [file, text] of await referencePages()) {
    mkdirSync(join(root, file, '..'), { recursive: true })
    writeFileSync(join(root, file), text)
    process.stdout.write(`${file}\n`)
  }
}
