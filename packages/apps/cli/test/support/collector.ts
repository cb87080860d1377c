import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Component, openComponent } from '../../../../../scripts/real-components.ts'

/** A span as the trace store shows it. */
export interface StoredSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  /** `service.name` of who sent it. */
  readonly service: string
  readonly tags: Readonly<Record<string, unknown>>
}

/** A real OpenTelemetry Collector with a real trace store. */
export interface RealCollector extends AsyncDisposable {
  /** Where OTLP goes. */
  readonly endpoint: string
  /** Metrics and log records that came, as the Collector's debug exporter writes them. */
  readonly written: string
  /** The spans of a trace, once the store has at least so many. */
  trace(traceId: string, spansMin: number): Promise<readonly StoredSpan[]>
  /** Traces of a service whose spans have these tags. */
  search(service: string, tags: Readonly<Record<string, string>>): Promise<readonly StoredSpan[]>
}

/** A port that is free at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Asks until there is an answer, for half a minute. */
export async function until<Found>(what: string, ask: () => Promise<Found | undefined>): Promise<Found> {
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(200)) {
    const found = await ask().catch(() => undefined)
    if (found !== undefined) return found
  }
  throw new Error(`in vain: ${what}`)
}

/** Starts Jaeger: a Collector with an OTLP receiver, a store in memory with its query API, and a debug exporter. */
export async function openCollector(jaeger: Component): Promise<RealCollector> {
  const folder = await mkdtemp(join(tmpdir(), 'qip-collector-'))
  const [otlp, query, grpc] = [await freePort(), await freePort(), await freePort()]
  const file = join(folder, 'collector.yaml')
  await writeFile(file, collectorConfig({ otlp, query, grpc }))
  const api = `http://127.0.0.1:${query}/api`
  const spansAt = async (target: string): Promise<readonly StoredSpan[]> => {
    const response = await fetch(`${api}${target}`)
    return response.ok ? spansOf((await response.json()) as JaegerAnswer) : []
  }
  const running = await openComponent(jaeger, ['--config', `file:${file}`], {
    isReady: async () => (await fetch(`${api}/services`).catch(() => undefined))?.ok === true,
  })
  return {
    endpoint: `http://127.0.0.1:${otlp}`,
    get written() {
      return running.written
    },
    trace: (traceId, spansMin) =>
      until(`${spansMin} spans of ${traceId}`, async () => {
        const spans = await spansAt(`/traces/${traceId}`)
        return spans.length >= spansMin ? spans : undefined
      }),
    search(service, tags) {
      const wanted = { service, tags: JSON.stringify(tags), lookback: '1h', limit: '100' }
      return spansAt(`/traces?${new URLSearchParams(wanted).toString()}`)
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

interface Ports {
  readonly otlp: number
  readonly query: number
  readonly grpc: number
}

function collectorConfig({ otlp, query, grpc }: Ports): string {
  return `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:${otlp} } } } }
exporters:
  debug: { verbosity: detailed }
  jaeger_storage_exporter: { trace_storage: memory }
extensions:
  jaeger_storage: { backends: { memory: { memory: { max_traces: 10000 } } } }
  jaeger_query:
    storage: { traces: memory }
    http: { endpoint: 127.0.0.1:${query} }
    grpc: { endpoint: 127.0.0.1:${grpc} }
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: { receivers: [otlp], exporters: [jaeger_storage_exporter] }
    metrics: { receivers: [otlp], exporters: [debug] }
    logs: { receivers: [otlp], exporters: [debug] }
  telemetry: { metrics: { level: none } }
`
}

interface JaegerAnswer {
  readonly data?: readonly {
    readonly spans: readonly {
      readonly traceID: string
      readonly spanID: string
      readonly operationName: string
      readonly processID: string
      readonly references: readonly { readonly spanID: string }[]
      readonly tags: readonly { readonly key: string; readonly value: unknown }[]
    }[]
    readonly processes: Readonly<Record<string, { readonly serviceName: string }>>
  }[]
}

function spansOf({ data }: JaegerAnswer): readonly StoredSpan[] {
  return (data ?? []).flatMap(({ spans, processes }) =>
    spans.map((span) => ({
      traceId: span.traceID,
      spanId: span.spanID,
      parentSpanId: span.references[0]?.spanID,
      name: span.operationName,
      service: processes[span.processID]?.serviceName ?? '',
      tags: Object.fromEntries(span.tags.map(({ key, value }) => [key, value])),
    })),
  )
}
