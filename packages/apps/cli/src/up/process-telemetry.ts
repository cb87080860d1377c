import { hostname } from 'node:os'
import type { JsonObject } from '@quantum-ip/base'
import type { Config } from '@quantum-ip/http'
import type { decisionEntry, LogSeverity, Otlp } from '@quantum-ip/otlp'
import {
  Exemplars,
  exportObserver,
  type Metrics,
  type MetricsPage,
  metricsPage,
  readMetrics,
  type TelemetryBatch,
} from '@quantum-ip/telemetry'
import { programVersion } from '../lib/program-version.ts'
import { readOtlpHeaders } from '../lib/otlp-headers.ts'
import { readText } from '../lib/files.ts'
import { registerMetrics } from './register-metrics.ts'

/** Which part of Quantum IP a process is: `service.name` of what it sends. */
export type ProcessRole =
  | 'quantum-ip'
  | 'quantum-ip-authority'
  | 'quantum-ip-gateway'
  | 'quantum-ip-forward-auth'
  | 'quantum-ip-ext-authz'
  | 'quantum-ip-sidecar'

interface Sending {
  readonly otlp: Otlp
  readonly entryOf: typeof decisionEntry
  readonly logs: boolean
}

/** What one process measures and tells, whichever parts run in it. */
export class ProcessTelemetry {
  readonly metrics: Metrics
  readonly exemplars: Exemplars
  #levels: (() => JsonObject) | undefined
  readonly #sources: (() => readonly Float64Array[])[] = []
  #sending: Sending | undefined

  private constructor(config: Config, role: ProcessRole) {
    this.metrics = registerMetrics(config, { isSidecar: role === 'quantum-ip-sidecar' })
    this.exemplars = new Exemplars(this.metrics, config.gateway.name)
  }

  /** Says what service levels this process counts. */
  onLevels(report: () => JsonObject): void {
    this.#levels = report
  }

  /** What this process has counted of the service levels; nothing where it does not count. */
  levels(): JsonObject {
    return this.#levels?.() ?? { levels: [] }
  }

  /**
   * Registers what is measured. Where a Collector is configured, begins to send to it; the code for that is loaded only then.
   *
   * @throws {CliError} `QIP_CLI_FILE_MALFORMED` for files of the configuration that cannot be read.
   */
  static async open(config: Config, role: ProcessRole): Promise<ProcessTelemetry> {
    const telemetry = new ProcessTelemetry(config, role)
    const { otlp } = config.telemetry
    if (otlp === undefined) return telemetry
    const otlpModule = await import('@quantum-ip/otlp')
    const { endpoint, protocol, timeoutMs, queueMax, headersFile, caFile, intervalMs, logs } = otlp
    const opened = await otlpModule.openOtlp({
      endpoint,
      protocol,
      timeoutMs,
      queueMax,
      ...(headersFile !== undefined && { headers: await readOtlpHeaders(headersFile) }),
      ...(caFile !== undefined && { ca: await readText({ path: caFile, what: 'certificate' }) }),
      sender: {
        name: role,
        namespace: config.trustDomain,
        instance: `${config.gateway.name}@${hostname()}-${process.pid}`,
        version: programVersion(),
        region: config.region,
      },
      observer: exportObserver(telemetry.metrics),
      ...(otlp.metrics && {
        metrics: { intervalMs, read: () => readMetrics(telemetry.metrics, telemetry.refresh()) },
      }),
    })
    telemetry.#sending = { otlp: opened, entryOf: otlpModule.decisionEntry, logs }
    return telemetry
  }

  /** Before metrics are read, `refresh` sets gauges to what is true now; it returns the cells of other threads. */
  onRead(refresh: () => readonly Float64Array[] | void): void {
    this.#sources.push(() => refresh() ?? [])
  }

  /** Sets all gauges; returns the cells of other threads. */
  refresh(): readonly Float64Array[] {
    return this.#sources.flatMap((refresh) => refresh())
  }

  /** What a scrape with this `Accept` field is answered. */
  page(accept: string | undefined): MetricsPage {
    return metricsPage({ metrics: this.metrics, others: this.refresh(), exemplars: this.exemplars }, accept)
  }

  /** Takes the spans and records of a thread. */
  take({ spans, records }: TelemetryBatch): void {
    const byTrace = new Map<string, { readonly traceId: string; readonly spanId: string }>()
    for (const span of spans) {
      this.exemplars.take(span)
      byTrace.set(span.context.traceId, span.context)
    }
    if (this.#sending === undefined) return
    const { otlp, entryOf, logs } = this.#sending
    otlp.spans(spans)
    if (!logs) return
    otlp.logs(
      records.map((record) => {
        const traceId = record.kind === 'decision' ? record.traceId : null
        return entryOf(record, traceId === null ? undefined : byTrace.get(traceId))
      }),
    )
  }

  /** Tells of something that an operator must hear of, or did. */
  tell(event: string, body: string | JsonObject, severity: LogSeverity = 'warn'): void {
    if (this.#sending?.logs !== true) return
    this.#sending.otlp.logs([{ event: `quantum_ip.${event}`, timeMs: Date.now(), severity, body }])
  }

  /** What takes the lines that this process tells its operator: `also`, and the Collector. */
  lines(also: (text: string) => void): (text: string) => void {
    return (text) => {
      also(text)
      this.tell('event', text)
    }
  }

  /** Sends what is left, within the time of one sending. */
  async close(): Promise<void> {
    await this.#sending?.otlp.close()
    this.#sending = undefined
  }
}
