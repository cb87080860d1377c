// Alerting rules as Prometheus reads them, out of the table of alerts.
import { alertGroups, type AlertRow } from './alert-table.ts'
import { type RootCause, rootCauses } from './root-causes.ts'

/** Where runbooks are found, unless told otherwise. */
export const defaultRunbooks = 'https://github.com/quantum-ip/quantum-ip/blob/main/docs/runbooks'

/** An alerting rule. */
export interface AlertingRule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** The runbooks that an alert may name. */
export function runbooksOf({ runbook, rootCause }: AlertRow): readonly string[] {
  if (runbook !== undefined) return [runbook]
  if (rootCause === 'by_reason') {
    return [...new Set(Object.values(rootCauses).map((cause) => cause.runbook))]
  }
  if (typeof rootCause === 'string') return [rootCauses[rootCause].runbook]
  return [...new Set(Object.values(rootCause.of).map((cause) => rootCauses[cause].runbook))]
}

function chosen(label: string, cases: readonly (readonly [value: string, text: string])[]): string {
  const [last = ['', '']] = cases.slice(-1)
  const others = cases.slice(0, -1).filter(([, text]) => text !== last[1])
  if (others.length === 0) return last[1]
  const tests = others.map(
    ([value, text], at) => `{{ ${at === 0 ? '' : 'else '}if eq $labels.${label} "${value}" }}${text}`,
  )
  return `${tests.join('')}{{ else }}${last[1]}{{ end }}`
}

function severityOf({ severity }: AlertRow): string {
  if (severity === 'page' || severity === 'ticket') return severity
  if (severity === 'by_tier')
    return chosen('tier', [
      ['critical', 'page'],
      ['', 'ticket'],
    ])
  return chosen(severity.pageWhere, [...severity.is.map((value) => [value, 'page'] as const), ['', 'ticket']])
}

function causeLabel({ rootCause }: AlertRow): Readonly<Record<string, string>> {
  // The series has the label already.
  if (rootCause === 'by_reason') return {}
  if (typeof rootCause === 'string') return { root_cause: rootCause }
  return { root_cause: chosen(rootCause.label, Object.entries(rootCause.of)) }
}

function runbookFile(row: AlertRow): string {
  const [first = ''] = runbooksOf(row)
  if (row.runbook !== undefined || row.rootCause !== 'by_reason') return first
  const causes = Object.keys(rootCauses) as RootCause[]
  return chosen('root_cause', [
    ...causes.map((cause) => [cause, rootCauses[cause].runbook] as const),
    ['', 'rejections.md'],
  ])
}

function exprOf({ expr, silent }: AlertRow): string {
  return silent === 'with_everything' ? `(${expr}) unless on () quantum_ip:maintenance:all` : expr
}

function ruleOf(alert: string, row: AlertRow, runbooks: string): AlertingRule {
  return {
    alert,
    expr: exprOf(row),
    ...(row.for !== '0s' && { for: row.for }),
    labels: { severity: severityOf(row), ...causeLabel(row), signal: row.signal },
    annotations: {
      summary: row.summary,
      description: row.description,
      runbook_url: `${runbooks}/${runbookFile(row)}`,
    },
  }
}

/** The groups of alerting rules, with runbooks below this address. */
export function alertingGroups(
  runbooks = defaultRunbooks,
): readonly { readonly name: string; readonly rules: readonly AlertingRule[] }[] {
  return Object.entries(alertGroups).map(([name, rows]) => ({
    name,
    rules: Object.entries(rows).map(([alert, row]) => ruleOf(alert, row, runbooks)),
  }))
}
