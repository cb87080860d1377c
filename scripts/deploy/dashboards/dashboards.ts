// The three dashboards, with their variables and the links between them.
import {
  ConstantVariableBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { reasons } from './reasons.ts'
import { debug } from './debug.ts'
import { executive } from './executive.ts'
import { onCall } from './on-call.ts'
import { type RowSpec, withRows } from './panels.ts'

/** A dashboard: what it is called, and its rows. */
export interface DashboardSpec {
  readonly uid: string
  readonly title: string
  readonly description: string
  readonly rows: readonly RowSpec[]
}

/** All of them. */
export const dashboards: readonly DashboardSpec[] = [
  {
    uid: 'quantum-ip-executive',
    title: 'Quantum IP: executive',
    description: 'Whether calls are verified, whom refusals hit, and in which shape the keys are.',
    rows: executive,
  },
  {
    uid: 'quantum-ip-on-call',
    title: 'Quantum IP: on call',
    description: 'What fires, how slow verification is, what is refused, and where tokens get lost.',
    rows: onCall,
  },
  {
    uid: 'quantum-ip-debug',
    title: 'Quantum IP: debug',
    description: 'Traces of verifications, processors and signatures, look-ups of attestations.',
    rows: debug,
  },
]

const prometheus = { type: 'prometheus', uid: '${datasource}' }

function labelValues(name: string, label: string, title: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(title)
    .datasource(prometheus)
    .query(`label_values(quantum_ip_verifications_total, ${label})`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ text: 'All', value: '$__all' })
}

function linkTo(title: string, url: string): DashboardLinkBuilder {
  return new DashboardLinkBuilder(title).type(DashboardLinkType.Link).url(url).keepTime(true)
}

/** A dashboard as Grafana reads it, with runbooks below this address. */
export function grafanaDashboard(spec: DashboardSpec, runbooks: string): Dashboard {
  const others = dashboards.filter(({ uid }) => uid !== spec.uid)
  const builder = new DashboardBuilder(spec.title)
    .uid(spec.uid)
    .description(spec.description)
    .tags(['quantum-ip'])
    .time({ from: 'now-6h', to: 'now' })
    .refresh(spec.uid === 'quantum-ip-on-call' ? '10s' : '1m')
    .readonly()
    .withVariable(new DatasourceVariableBuilder('datasource').label('Metrics').type('prometheus'))
    .withVariable(labelValues('service', 'service', 'Service'))
    .withVariable(new ConstantVariableBuilder('runbooks').value(runbooks))
    .links([
      ...others.map(({ uid, title }) => linkTo(title, `/d/${uid}`).includeVars(true)),
      linkTo('Traces', '/explore').targetBlank(true),
      linkTo('Runbooks', '${runbooks}').targetBlank(true),
      linkTo('Alerts', '${runbooks}/../reference/alerts.md').targetBlank(true),
    ])
  if (spec.uid === 'quantum-ip-on-call') builder.withVariable(labelValues('region', 'region', 'Region'))
  if (spec.uid === 'quantum-ip-debug') {
    builder
      .withVariable(new DatasourceVariableBuilder('traces').label('Traces').type('jaeger'))
      .withVariable(
        new TextBoxVariableBuilder('traced')
          .label('Service name in traces')
          .defaultValue('quantum-ip-gateway'),
      )
      .withVariable(reasons())
      .withVariable(new TextBoxVariableBuilder('trace').label('Trace ID'))
  }
  return withRows(builder, spec.rows).build()
}
