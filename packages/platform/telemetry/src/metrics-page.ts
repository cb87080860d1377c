import type { Exemplars } from './exemplars.ts'
import { formatMetrics, formatOpenMetrics, metricsMediaType, openMetricsMediaType } from './exposition.ts'
import type { Metrics } from './metrics.ts'

/** The answer to a scrape. */
export interface MetricsPage {
  readonly mediaType: string
  readonly text: string
}

/** What a page of metrics is made of. */
export interface MetricsPageSource {
  readonly metrics: Metrics
  /** The cells of other threads. */
  readonly others?: readonly Float64Array[]
  readonly exemplars?: Exemplars | undefined
}

/**
 * Metrics in the format that the `Accept` field of a scrape prefers: OpenMetrics, which can show exemplars, for whoever asks for
 * it at least as much as for plain text; the text format of Prometheus for everybody else.
 */
export function metricsPage(
  { metrics, others = [], exemplars }: MetricsPageSource,
  accept: string | undefined,
): MetricsPage {
  return prefersOpenMetrics(accept ?? '')
    ? { mediaType: openMetricsMediaType, text: formatOpenMetrics(metrics, others, exemplars) }
    : { mediaType: metricsMediaType, text: formatMetrics(metrics, others) }
}

const acceptCharsMax = 1_024

function prefersOpenMetrics(accept: string): boolean {
  const wishes = accept.slice(0, acceptCharsMax).toLowerCase().split(',')
  const open = weightOf(wishes, 'application/openmetrics-text')
  return open > 0 && open >= weightOf(wishes, 'text/plain')
}

function weightOf(wishes: readonly string[], type: string): number {
  const weights = wishes.map((wish) => {
    const [name = '', ...parameters] = wish.split(';').map((part) => part.trim())
    if (name !== type) return 0
    const weight = parameters.find((parameter) => parameter.startsWith('q='))
    return weight === undefined ? 1 : Number(weight.slice(2)) || 0
  })
  return Math.max(0, ...weights)
}
