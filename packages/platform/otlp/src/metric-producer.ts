import { type HrTime, ValueType } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  type CollectionResult,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import {
  type HistogramPoint,
  type Labels,
  type MetricFamily,
  metricPrefix,
  type NumberPoint,
} from '@quantum-ip/telemetry'
import { hrTime } from './hr-time.ts'
import { scope } from './readable-span.ts'

/** What a producer reads. */
export interface MetricSource {
  readonly read: () => readonly MetricFamily[]
  readonly resource: Resource
  /** When counting began; milliseconds since 1970. */
  readonly startedMs: number
}

/**
 * Our metrics as the SDK's readers take them: a snapshot of typed arrays when it is sent, so that counting costs what it costs
 * without the SDK (12 ns a counter instead of 1,300).
 *
 * Names are those of the Prometheus exposition, `_total` included: a Collector that exposes them again leaves them as they are.
 */
export function metricProducer(source: MetricSource): MetricProducer {
  const startTime = hrTime(source.startedMs)
  return {
    collect(): Promise<CollectionResult> {
      const times = { startTime, endTime: hrTime(Date.now()) }
      const metrics = source.read().map((family) => metricData(family, times))
      const { resource } = source
      return Promise.resolve({
        resourceMetrics: { resource, scopeMetrics: [{ scope, metrics }] },
        errors: [],
      })
    },
  }
}

interface Times {
  readonly startTime: HrTime
  readonly endTime: HrTime
}

function metricData(family: MetricFamily, times: Times): MetricData {
  const shared = {
    descriptor: {
      name: metricPrefix + family.name,
      description: family.help,
      unit: unitOf(family.name),
      valueType: ValueType.DOUBLE,
    },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  }
  switch (family.type) {
    case 'counter':
      return {
        ...shared,
        dataPointType: DataPointType.SUM,
        isMonotonic: true,
        dataPoints: family.points.map((point) => numberPoint(point, times)),
      }
    case 'gauge':
      return {
        ...shared,
        dataPointType: DataPointType.GAUGE,
        dataPoints: family.points.map((point) => numberPoint(point, times)),
      }
    case 'histogram':
      return {
        ...shared,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: family.points.map((point) => histogramPoint(point, [...family.buckets], times)),
      }
  }
}

function numberPoint({ labels, value }: NumberPoint, times: Times): DataPoint<number> {
  return { ...times, attributes: attributesOf(labels), value }
}

function histogramPoint(
  { labels, counts, sum }: HistogramPoint,
  boundaries: number[],
  times: Times,
): DataPoint<Histogram> {
  const count = counts.reduce((all, one) => all + one, 0)
  return {
    ...times,
    attributes: attributesOf(labels),
    value: { buckets: { boundaries, counts: [...counts] }, sum, count },
  }
}

function attributesOf(labels: Labels): Record<string, string> {
  return Object.fromEntries(labels)
}

function unitOf(name: string): string {
  return /_seconds(?:_total)?$/.test(name) ? 's' : '1'
}
