import type { LogRecordExporter } from '@opentelemetry/sdk-logs'
import type { PushMetricExporter } from '@opentelemetry/sdk-metrics'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { OtlpOptions } from './otlp-options.ts'

/** The exporters of the SDK, for one protocol. */
export interface Exporters {
  readonly spans: SpanExporter
  readonly logs: LogRecordExporter
  readonly metrics: PushMetricExporter
}

/** Opens the exporters of a protocol; those of the other one are not loaded. */
export async function openExporters(options: OtlpOptions): Promise<Exporters> {
  const { protocol } = options
  if (protocol === 'json') {
    const [{ OTLPTraceExporter }, { OTLPLogExporter }, { OTLPMetricExporter }] = await Promise.all([
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/exporter-logs-otlp-http'),
      import('@opentelemetry/exporter-metrics-otlp-http'),
    ])
    return {
      spans: new OTLPTraceExporter(settings(options, 'traces')),
      logs: new OTLPLogExporter(settings(options, 'logs')),
      metrics: new OTLPMetricExporter(settings(options, 'metrics')),
    }
  }
  const [{ OTLPTraceExporter }, { OTLPLogExporter }, { OTLPMetricExporter }] = await Promise.all([
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/exporter-logs-otlp-proto'),
    import('@opentelemetry/exporter-metrics-otlp-proto'),
  ])
  return {
    spans: new OTLPTraceExporter(settings(options, 'traces')),
    logs: new OTLPLogExporter(settings(options, 'logs')),
    metrics: new OTLPMetricExporter(settings(options, 'metrics')),
  }
}

function settings({ endpoint, headers = {}, ca, timeoutMs }: OtlpOptions, signal: string) {
  return {
    url: `${endpoint}/v1/${signal}`,
    headers: { ...headers },
    timeoutMillis: timeoutMs,
    ...(ca !== undefined && { httpAgentOptions: { ca, keepAlive: true } }),
  }
}
