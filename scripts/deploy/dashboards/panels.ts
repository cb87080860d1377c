// Panels as the dashboards write them, and what Grafana reads for each. The model is that of Grafana's own SDK, so that the compiler
// holds it against Grafana's schema.
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog'
import {
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  ReduceDataOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import {
  type DashboardBuilder,
  DashboardLinkBuilder,
  DashboardLinkType,
  type Panel as GrafanaPanel,
  PanelBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries'

/** One query of a panel. */
export interface PanelQuery {
  readonly expr: string
  readonly legend: string
  /** Why it has no series in a system that is well and has seen some failures; absent: it must have. */
  readonly emptyBecause?: string
  /** Dots on the line that lead to traces. */
  readonly exemplars?: boolean
}

/** One panel. */
export interface PanelSpec {
  readonly title: string
  /** What it says, and what to do about it. */
  readonly description: string
  readonly kind: 'trend' | 'number' | 'table' | 'traces' | 'trace'
  readonly queries?: readonly PanelQuery[]
  /** Of traces: attributes that they are looked up by. */
  readonly tags?: string
  readonly unit?: 'percentunit' | 's' | 'reqps' | 'short' | 'cps'
  /** Of 24. */
  readonly width: 6 | 8 | 12 | 24
  /** From this value on it is bad; `below`: up to it. */
  readonly bad?: { readonly from: number } | { readonly below: number }
  /** Where a click on a series leads. */
  readonly links?: readonly { readonly title: string; readonly url: string }[]
}

/** A row of panels. */
export interface RowSpec {
  readonly title: string
  readonly panels: readonly PanelSpec[]
}

const prometheus = { type: 'prometheus', uid: '${datasource}' }
const traces = { type: 'jaeger', uid: '${traces}' }

// A query of Jaeger, which the SDK has no builder for; `_implementsDataqueryVariant` is how it asks for queries of others.
function jaegerQuery(query: Readonly<Record<string, unknown>>): Builder<Dataquery> {
  return {
    build: () => ({ refId: 'A', datasource: traces, ...query, _implementsDataqueryVariant() {} }),
  }
}

function link({ title, url }: { readonly title: string; readonly url: string }): DashboardLinkBuilder {
  return new DashboardLinkBuilder(title).type(DashboardLinkType.Link).url(url)
}

function thresholds(bad: PanelSpec['bad']): ThresholdsConfigBuilder {
  const [good, wrong] = ['green', 'red']
  const steps =
    bad === undefined
      ? [{ value: null, color: good }]
      : 'from' in bad
        ? [
            { value: null, color: good },
            { value: bad.from, color: wrong },
          ]
        : [
            { value: null, color: wrong },
            { value: bad.below, color: good },
          ]
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps)
}

function promQuery(query: PanelQuery, kind: PanelSpec['kind'], at: number): DataqueryBuilder {
  const built = new DataqueryBuilder()
    .refId(String.fromCodePoint(65 + at))
    .datasource(prometheus)
    .expr(query.expr)
    .legendFormat(query.legend)
    .exemplar(query.exemplars ?? false)
  if (kind === 'trend') return built.range()
  return kind === 'table' ? built.instant().format(PromQueryFormat.Table) : built.instant()
}

function grafanaPanel(spec: PanelSpec): Builder<GrafanaPanel> {
  const { title, description, kind, queries = [], unit = 'short', width, bad, links = [] } = spec
  if (kind === 'traces' || kind === 'trace') {
    const query =
      kind === 'trace'
        ? { queryType: undefined, query: '${trace}' }
        : {
            queryType: 'search',
            service: '${traced}',
            operation: 'quantum_ip.verify',
            tags: spec.tags,
            limit: 20,
          }
    return new PanelBuilder()
      .type(kind === 'trace' ? 'traces' : 'table')
      .title(title)
      .description(description)
      .datasource(traces)
      .withTarget(jaegerQuery(query))
      .span(width)
      .height(kind === 'trace' ? 14 : 8)
  }
  const targets = queries.map((query, at) => promQuery(query, kind, at))
  const builder =
    kind === 'trend'
      ? new TimeseriesBuilder().thresholdsStyle(
          new GraphThresholdsStyleConfigBuilder().mode(
            bad === undefined ? GraphThresholdsStyleMode.Off : GraphThresholdsStyleMode.Dashed,
          ),
        )
      : kind === 'number'
        ? new StatBuilder().reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
        : new TableBuilder()
  return builder
    .title(title)
    .description(description)
    .datasource(prometheus)
    .targets(targets)
    .unit(unit)
    .thresholds(thresholds(bad))
    .dataLinks(links.map((each) => link(each)))
    .span(width)
    .height(kind === 'number' ? 5 : 8)
}

/** Adds rows of panels to a dashboard. */
export function withRows(dashboard: DashboardBuilder, rows: readonly RowSpec[]): DashboardBuilder {
  for (const row of rows) {
    dashboard.withRow(new RowBuilder(row.title))
    for (const panel of row.panels) dashboard.withPanel(grafanaPanel(panel))
  }
  return dashboard
}
