import { type Context, ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace'
import type { Span } from '@quantum-ip/telemetry'
import { BoundedExporter } from './bounded-exporter.ts'
import { type Exporters, openExporters } from './exporters.ts'
import { type LogEntry, severityNumbers } from './log-entry.ts'
import { metricProducer } from './metric-producer.ts'
import type { OtlpOptions, OtlpSender } from './otlp-options.ts'
import { readableSpan, scope } from './readable-span.ts'

/** Sends metrics, spans and log records to an OpenTelemetry Collector. */
export interface Otlp {
  /** Queues finished spans of sampled traces. Never waits, never throws. */
  spans(spans: readonly Span[]): void
  /** Queues log records. Never waits, never throws. */
  logs(entries: readonly LogEntry[]): void
  /** Sends what waits, metrics once more, and ends; within the time of one sending, whatever the Collector does. */
  close(): Promise<void>
}

const batchMax = 512
const batchDelayMs = 1_000

/** Begins to send to a Collector, which need not be there yet. */
export async function openOtlp(options: OtlpOptions): Promise<Otlp> {
  const { observer, queueMax, timeoutMs } = options
  const resource = resourceOf(options.sender)
  const exporters = await openExporters(options)
  const counting = { observer, queueMax }
  const spanExporter = new BoundedExporter<ReadableSpan[]>(exporters.spans, 'traces', {
    ...counting,
    countOf: (spans) => spans.length,
  })
  const logExporter = new BoundedExporter(exporters.logs, 'logs', {
    ...counting,
    countOf: (records) => records.length,
  })
  const batching = {
    maxQueueSize: Math.max(queueMax, batchMax),
    maxExportBatchSize: batchMax,
    scheduledDelayMillis: batchDelayMs,
    exportTimeoutMillis: timeoutMs + 1_000,
  }
  const spanProcessor = new BatchSpanProcessor({ ...batching, exporter: spanExporter })
  const loggers = new LoggerProvider({
    resource,
    processors: [new BatchLogRecordProcessor({ ...batching, exporter: logExporter })],
  })
  const logger = loggers.getLogger(scope.name)
  const meters = meterProvider(options, { resource, exporter: exporters.metrics })
  return {
    spans(spans) {
      for (const span of spans.slice(0, spanExporter.admit(spans.length)))
        spanProcessor.onEnd(readableSpan(span, resource))
    },
    logs(entries) {
      for (const entry of entries.slice(0, logExporter.admit(entries.length))) {
        const { event, timeMs, severity, body, attributes = {}, span } = entry
        logger.emit({
          eventName: event,
          timestamp: timeMs,
          severityNumber: severityNumbers[severity],
          severityText: severity.toUpperCase(),
          body,
          attributes: { ...attributes },
          context: contextOf(span),
        })
      }
    },
    async close() {
      const ended = Promise.allSettled([spanProcessor.shutdown(), loggers.shutdown(), meters?.shutdown()])
      await within(timeoutMs, ended)
    },
  }
}

interface MeterParts {
  readonly resource: Resource
  readonly exporter: Exporters['metrics']
}

function meterProvider(
  { metrics, observer, timeoutMs }: OtlpOptions,
  { resource, exporter }: MeterParts,
): MeterProvider | undefined {
  if (metrics === undefined) return undefined
  const counted = new BoundedExporter<ResourceMetrics>(exporter, 'metrics', {
    observer,
    countOf: () => 1,
    queueMax: 1,
  })
  const reader = new PeriodicExportingMetricReader({
    exporter: counted,
    exportIntervalMillis: metrics.intervalMs,
    exportTimeoutMillis: Math.min(timeoutMs, metrics.intervalMs),
    metricProducers: [metricProducer({ read: metrics.read, resource, startedMs: Date.now() })],
  })
  return new MeterProvider({ resource, readers: [reader] })
}

function resourceOf({ name, namespace, instance, version, region }: OtlpSender): Resource {
  return resourceFromAttributes({
    'service.name': name,
    'service.namespace': namespace,
    'service.instance.id': instance,
    'service.version': version,
    'quantum_ip.region': region,
  })
}

function contextOf(span: LogEntry['span']): Context {
  if (span === undefined) return ROOT_CONTEXT
  return trace.setSpanContext(ROOT_CONTEXT, { ...span, traceFlags: TraceFlags.SAMPLED })
}

async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, limitMs)
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
