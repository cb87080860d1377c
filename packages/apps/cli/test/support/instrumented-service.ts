import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { defaultTextMapGetter, ROOT_CONTEXT, SpanKind } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  ParentBasedSampler,
  AlwaysOffSampler,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'

/** A service with OpenTelemetry of its own. */
export interface InstrumentedService extends AsyncDisposable {
  readonly url: string
}

/**
 * Starts a small service that continues the trace of each request, as any service with OpenTelemetry does, and keeps to what its
 * caller says about sampling. It answers with the trace ID and with what the gateway found.
 */
export async function openInstrumentedService(name: string, endpoint: string): Promise<InstrumentedService> {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': name }),
    sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }),
    spanProcessors: [
      new SimpleSpanProcessor({ exporter: new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }) }),
    ],
  })
  const tracer = provider.getTracer(name)
  const propagator = new W3CTraceContextPropagator()
  const server = createServer((request, response) => {
    const parent = propagator.extract(ROOT_CONTEXT, request.headers, defaultTextMapGetter)
    const span = tracer.startSpan(`${request.method} ${request.url}`, { kind: SpanKind.SERVER }, parent)
    const { traceId } = span.spanContext()
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ traceId, found: request.headers['quantum-ip-status'] }))
    span.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      await provider.shutdown()
    },
  }
}
