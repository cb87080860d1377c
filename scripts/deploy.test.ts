import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { alertingGroups, runbooksOf } from './deploy/alert-rules.ts'
import { alertCases } from './deploy/alert-cases.ts'
import { alertTable } from './deploy/alert-table.ts'
import { rootCauses } from './deploy/root-causes.ts'
import { deployFiles } from './deploy.ts'
import { dashboards } from './deploy/dashboards/dashboards.ts'
import { faultsOf, selectorsOf } from './deploy/expressions.ts'
import { recordingGroups } from './deploy/recording-rules.ts'
import { read, root } from './lib-packages.ts'

const records = recordingGroups.flatMap(({ rules }) => rules)
const alerts = alertingGroups().flatMap(({ rules }) => rules)
const recorded = new Set(records.map(({ record }) => record))
const panels = dashboards.flatMap(({ rows }) => rows.flatMap((row) => row.panels))
const queries = panels.flatMap((panel) => panel.queries ?? [])

test('deploy/ says what the tables in scripts/deploy say', () => {
  for (const [file, text] of deployFiles()) {
    assert.ok(existsSync(join(root, file)), `${file} is missing: node scripts/deploy.ts`)
    assert.ok(read(file) === text, `${file} differs: node scripts/deploy.ts`)
  }
})

test('rules read only metrics, labels and values of the table of metrics, and what other rules record', () => {
  for (const { expr, ...rule } of [...records, ...alerts]) {
    assert.deepEqual(faultsOf(expr, recorded), [], 'alert' in rule ? rule.alert : rule.record)
  }
})

test('a wrong metric, label or value in an expression is found', () => {
  const wrong = [
    ['rate(quantum_ip_verification_total[5m])', 'there is no metric quantum_ip_verification_total'],
    ['quantum_ip_verifications_total{tenant="a"}', 'quantum_ip_verifications_total has no label tenant'],
    [
      'quantum_ip_verifications_total{reason=~"ok|fine"}',
      'reason of quantum_ip_verifications_total is never fine',
    ],
    ['quantum_ip:nothing:rate5m', 'nothing records quantum_ip:nothing:rate5m'],
  ] as const
  for (const [expr, fault] of wrong) assert.deepEqual(faultsOf(expr, recorded), [fault])
})

test('the runbook of every alert and of every root cause is there', () => {
  const files = new Set([
    ...Object.values(alertTable).flatMap((row) => runbooksOf(row)),
    ...Object.values(rootCauses).map(({ runbook }) => runbook),
  ])
  for (const file of files) assert.ok(existsSync(join(root, 'docs/runbooks', file)), file)
})

test('an address of runbooks that is given stands in every alert', () => {
  for (const { annotations } of alertingGroups('https://wiki.example/qip').flatMap(({ rules }) => rules)) {
    assert.match(annotations['runbook_url'] ?? '', /^https:\/\/wiki\.example\/qip\/.+\.md/)
  }
})

test('panels read only metrics, labels and values of the table of metrics, and what rules record', () => {
  assert.ok(queries.length > 40)
  for (const { expr } of queries) assert.deepEqual(faultsOf(expr, recorded), [], expr)
})

test('everything that is recorded is read by another rule, an alert or a panel', () => {
  const read = new Set(
    [...records, ...alerts, ...queries].flatMap(({ expr }) => selectorsOf(expr).map(({ name }) => name)),
  )
  assert.deepEqual(
    [...recorded].filter((name) => !read.has(name)),
    [],
  )
})

test('the dashboards have the panels that were asked for', () => {
  const titles = dashboards.map(({ rows }) => rows.flatMap((row) => row.panels.map(({ title }) => title)))
  const wanted = [
    [
      'Verification success by service',
      'Refusals by owner',
      'Fleet with the newest keys',
      'Keys in each state',
    ],
    [
      'Latency of verifications',
      'Recent refusals by service and reason',
      'Missing tokens by ingress and region',
    ],
    ['One trace, step by step', 'Processor by node', 'Look-ups of attestations', 'Latency of look-ups'],
  ]
  for (const [at, names] of wanted.entries()) {
    for (const name of names) assert.ok(titles[at]?.includes(name), name)
  }
})

test('dashboards lead to each other, to traces and to runbooks, and only where something is', () => {
  const uids = new Set(dashboards.map(({ uid }) => uid))
  for (const { uid } of dashboards) {
    const { links, panels } = JSON.parse(read(`deploy/grafana/dashboards/${uid}.json`)) as DashboardLinks
    const urls = [...links, ...panels.flatMap((panel) => panel.fieldConfig?.defaults?.links ?? [])].map(
      ({ url }) => url,
    )
    for (const other of uids) if (other !== uid) assert.ok(urls.includes(`/d/${other}`), `${uid} to ${other}`)
    assert.ok(urls.includes('/explore') && urls.includes('${runbooks}'))
    for (const url of urls) {
      const named = /^\/d\/([\w-]+)/.exec(url)?.[1]
      if (named !== undefined) assert.ok(uids.has(named), url)
      const page = /^\$\{runbooks\}\/(.+)$/.exec(url)?.[1]
      if (page !== undefined) assert.ok(existsSync(join(root, 'docs/runbooks', page)), url)
    }
  }
})

interface DashboardLinks {
  readonly links: readonly { readonly url: string }[]
  readonly panels: readonly {
    readonly fieldConfig?: { readonly defaults?: { readonly links?: readonly { readonly url: string }[] } }
  }[]
}

for (const [name, cases] of Object.entries(alertCases)) {
  test(`${name} has a case that fires and one that does not`, () => {
    assert.ok(cases.some(({ fires }) => fires.length > 0))
    assert.ok(cases.some(({ fires }) => fires.length === 0))
  })
}

test('routes and inhibitions of Alertmanager name alerts, labels and values that there are', () => {
  const causes = new Set(Object.values(alertTable).flatMap(causesOf))
  const values: Readonly<Record<string, ReadonlySet<string> | 'open'>> = {
    alertname: new Set(Object.keys(alertTable)),
    root_cause: causes,
    severity: new Set(['page', 'ticket']),
    signal: new Set(Object.values(alertTable).map(({ signal }) => signal)),
    job: new Set(['quantum-ip-authority', 'quantum-ip-gateway']),
    owner: 'open',
    service: 'open',
  }
  const config = parse(read('deploy/alertmanager/alertmanager.yml')) as AlertmanagerConfig
  const routes = [config.route, ...(config.route.routes ?? [])]
  const matchers = [
    ...routes.flatMap((route) => route.matchers ?? []),
    ...config.inhibit_rules.flatMap((rule) => [...rule.source_matchers, ...rule.target_matchers]),
  ]
  const labels = [
    ...routes.flatMap((route) => route.group_by),
    ...config.inhibit_rules.flatMap((rule) => rule.equal ?? []),
  ]
  for (const matcher of matchers) {
    const [, label = '', value = ''] = /^(\w+)(?:=~|!=|=)"(.*)"$/.exec(matcher) ?? []
    const known = values[label]
    assert.ok(known !== undefined, matcher)
    if (known !== 'open') for (const each of value.split('|')) assert.ok(known.has(each), matcher)
  }
  for (const label of labels) assert.ok(label in values, label)
})

interface AlertmanagerConfig {
  readonly route: Route & { readonly routes?: readonly Route[] }
  readonly inhibit_rules: readonly {
    readonly source_matchers: readonly string[]
    readonly target_matchers: readonly string[]
    readonly equal?: readonly string[]
  }[]
}

interface Route {
  readonly matchers?: readonly string[]
  readonly group_by: readonly string[]
}

function causesOf({ rootCause }: (typeof alertTable)[string]): readonly string[] {
  if (rootCause === 'by_reason') return Object.keys(rootCauses)
  return typeof rootCause === 'string' ? [rootCause] : Object.values(rootCause.of)
}
