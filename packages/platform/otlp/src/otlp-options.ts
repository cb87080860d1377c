import type { ExportObserver, MetricFamily } from '@quantum-ip/telemetry'

/** Who sends: resource attributes of everything that is sent. */
export interface OtlpSender {
  /** `service.name`. */
  readonly name: string
  /** `service.namespace`: the trust domain. */
  readonly namespace: string
  /** `service.instance.id`: another one for each process that runs at once. */
  readonly instance: string
  /** `service.version`. */
  readonly version: string
  /** `quantum_ip.region`. */
  readonly region: string
}

/** What goes where. */
export interface OtlpOptions {
  /** Of the Collector, without a slash at the end; `/v1/metrics`, `/v1/traces` and `/v1/logs` are added. */
  readonly endpoint: string
  readonly protocol: 'protobuf' | 'json'
  /** Sent with each request. */
  readonly headers?: Readonly<Record<string, string>>
  /** PEM certificates that an https endpoint must chain to; absent: those of the system. */
  readonly ca?: string | undefined
  /** Of one sending with its repetitions. */
  readonly timeoutMs: number
  /** Spans, and log records, that wait at once; more are dropped and counted. */
  readonly queueMax: number
  readonly sender: OtlpSender
  readonly observer: ExportObserver
  /** Absent: no metrics are sent. */
  readonly metrics?: { readonly intervalMs: number; readonly read: () => readonly MetricFamily[] }
}
