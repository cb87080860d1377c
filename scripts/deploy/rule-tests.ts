// The file for `promtool test rules`, out of the cases: each as it stands, and again in a window and with services that are not enforced.
import { alertCases, type AlertCase, type AlertName, type Expected, type Series } from './alert-cases.ts'
import { alertTable } from './alert-table.ts'

interface PromtoolTest {
  readonly name: string
  readonly interval: string
  readonly input_series: readonly { readonly series: string; readonly values: string }[]
  readonly promql_expr_test: readonly {
    readonly expr: string
    readonly eval_time: string
    readonly exp_samples: readonly { readonly labels: string; readonly value: number }[]
  }[]
}

const byLabels = ['severity', 'root_cause', 'service', 'owner']

function test(alert: AlertName, { title, series, at, fires }: AlertCase): PromtoolTest {
  return {
    name: `${alert}: ${title}`,
    interval: '1m',
    input_series: series.map(([selector, values]) => ({ series: selector, values })),
    promql_expr_test: [
      {
        expr: `count by (${byLabels.join(', ')}) (ALERTS{alertname="${alert}",alertstate="firing"})`,
        eval_time: `${at}m`,
        exp_samples: fires.map((labels) => ({ labels: formatLabels(labels), value: countOf(labels, alert) })),
      },
    ],
  }
}

// Both processes of the one case in which two series of one kind fire.
function countOf(_labels: Expected, alert: AlertName): number {
  return alert === 'QuantumIpDeferredBacklog' ? 2 : 1
}

function formatLabels(labels: Expected): string {
  const present = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  return `{${present.join(',')}}`
}

function window(service: string): Series {
  return [[`quantum_ip_window_open{service="${service}",window_kind="maintenance"}`, '1x240']]
}

function inStage(fired: AlertCase, stage: string): AlertCase {
  const series = fired.series.map(
    ([selector, values]) => [selector.replace('stage="enforced"', `stage="${stage}"`), values] as const,
  )
  return { ...fired, title: `${fired.title}, and the services are ${stage}`, series, fires: [] }
}

/** What follows from a case that fires. */
function variants(alert: AlertName, fired: AlertCase): readonly AlertCase[] {
  const { silent } = alertTable[alert] ?? { silent: 'never' }
  const inAll = { ...fired, series: [...fired.series, ...window('other')] }
  if (silent === 'never') return [{ ...inAll, title: `${fired.title}, in a window for all services` }]
  const quiet = { ...inAll, title: `${fired.title}, in a window for all services`, fires: [] }
  if (silent === 'with_everything') return [quiet]
  const services = [
    ...new Set(fired.series.flatMap(([selector]) => /service="([^"]+)"/.exec(selector)?.[1] ?? [])),
  ]
  return [
    quiet,
    {
      ...fired,
      title: `${fired.title}, each in a window of its own`,
      series: [...fired.series, ...services.flatMap((service) => window(service))],
      fires: [],
    },
    inStage(fired, 'observed'),
    inStage(fired, 'onboarding'),
  ]
}

/** All tests. */
export function ruleTests(): readonly PromtoolTest[] {
  return Object.entries(alertCases).flatMap(([name, cases]) => {
    const alert = name as AlertName
    return cases.flatMap((each) => [
      test(alert, each),
      ...(each.fires.length === 0 ? [] : variants(alert, each).map((variant) => test(alert, variant))),
    ])
  })
}

/** The whole file, beside the rules. */
export function ruleTestFile(): object {
  return {
    rule_files: ['recording.rules.yaml', 'alerting.rules.yaml'],
    evaluation_interval: '1m',
    group_eval_order: ['quantum-ip-services', 'quantum-ip-service-levels', 'quantum-ip-processes'],
    tests: ruleTests(),
  }
}
