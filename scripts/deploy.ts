// Writes what stands in deploy/ and docs/reference/alerts.md, out of the tables in scripts/deploy. `scripts/deploy.test.ts` compares the two.
// `node scripts/deploy.ts` writes them; `--runbooks=<url>` names where your runbooks are, `--out=<folder>` where to write instead.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'
import { alertingGroups, defaultRunbooks, runbooksOf } from './deploy/alert-rules.ts'
import { alertTable } from './deploy/alert-table.ts'
import { dashboards, grafanaDashboard } from './deploy/dashboards/dashboards.ts'
import { recordingGroups } from './deploy/recording-rules.ts'
import { ruleTestFile } from './deploy/rule-tests.ts'
import { rootCauses } from './deploy/root-causes.ts'
import { root } from './lib-packages.ts'

const generated = '# Written by `node scripts/deploy.ts`; change the tables in scripts/deploy instead.\n'

function yaml(content: object): string {
  return `${generated}${stringify(content, { lineWidth: 0, aliasDuplicateObjects: false })}`
}

function severityText(row: (typeof alertTable)[string]): string {
  const { severity } = row
  if (typeof severity === 'string')
    return severity === 'by_tier' ? 'page where critical, else ticket' : severity
  return `page where ${severity.pageWhere} is ${severity.is.join(', ')}; else ticket`
}

function causeText({ rootCause }: (typeof alertTable)[string]): string {
  if (rootCause === 'by_reason') return 'by reason'
  return typeof rootCause === 'string'
    ? `\`${rootCause}\``
    : [...new Set(Object.values(rootCause.of))].map((cause) => `\`${cause}\``).join(' ')
}

function link(file: string): string {
  return `[${file}](../runbooks/${file})`
}

function alertsPage(): string {
  const rows = Object.entries(alertTable).map(([name, row]) => {
    const books =
      row.rootCause === 'by_reason' && row.runbook === undefined
        ? ['that of the root cause']
        : runbooksOf(row).map(link)
    return `| \`${name}\` | ${severityText(row)} | ${causeText(row)} | ${row.for} | ${row.description} | ${books.join(' ')} |`
  })
  const causes = Object.entries(rootCauses).map(
    ([id, { means, runbook }]) => `| \`${id}\` | ${means} | ${link(runbook)} |`,
  )
  return [
    '# Alerts\n',
    '<!-- Written by `node scripts/deploy.ts`; change the tables in scripts/deploy instead. -->\n',
    'How they are routed, grouped and silenced: [guide](../guides/alerting.md).\n',
    '| alert | severity | root cause | after | what it says | runbook |\n|---|---|---|---|---|---|',
    ...rows,
    '\n## Root causes\n',
    '| root cause | meaning | runbook |\n|---|---|---|',
    ...causes,
    '',
  ].join('\n')
}

/** The files, by their path in the repository. */
export function deployFiles(runbooks = defaultRunbooks): ReadonlyMap<string, string> {
  const recording = yaml({ groups: recordingGroups })
  const alerting = yaml({ groups: alertingGroups(runbooks) })
  return new Map([
    ['deploy/prometheus/recording.rules.yaml', recording],
    ['deploy/prometheus/alerting.rules.yaml', alerting],
    // A chart can only read what lies within it.
    ['deploy/helm/quantum-ip/files/recording.rules.yaml', recording],
    ['deploy/helm/quantum-ip/files/alerting.rules.yaml', alerting],
    ['deploy/prometheus/alerts.test.yaml', yaml(ruleTestFile())],
    ...dashboards.map(
      (spec) =>
        [
          `deploy/grafana/dashboards/${spec.uid}.json`,
          `${JSON.stringify(grafanaDashboard(spec, runbooks), undefined, 2)}\n`,
        ] as const,
    ),
    ['docs/reference/alerts.md', alertsPage()],
  ])
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({ options: { runbooks: { type: 'string' }, out: { type: 'string' } } })
  for (const [file, text] of deployFiles(values.runbooks)) {
    const path = join(values.out ?? root, file)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
    process.stdout.write(`${file}\n`)
  }
}
