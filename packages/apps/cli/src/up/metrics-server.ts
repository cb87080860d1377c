import { openServer, type Server } from '@quantum-ip/http'
import type { MetricsPage } from '@quantum-ip/telemetry'

/** What the metrics of an enforcement point are served from. */
export interface MetricsServerOptions {
  readonly listen: { readonly host: string; readonly port: number }
  readonly metrics: (accept: string | undefined) => MetricsPage
  /** What `/readyz` answers by. */
  readonly ready: NonNullable<Parameters<typeof openServer>[0]['ready']>
}

/**
 * Serves the metrics of an enforcement point to whoever collects them, beside its operators' socket: Prometheus knows no Unix
 * sockets. Nothing else is there but `/healthz` and `/readyz`, and what metrics say are names of services and counts.
 */
export async function openMetricsServer({ listen, metrics, ready }: MetricsServerOptions): Promise<Server> {
  const server = await openServer({ title: 'Quantum IP metrics', version: '1', ready })
  server.app.get('/metrics', { config: { access: 'open' } }, (request, reply) => {
    const { mediaType, text } = metrics(request.headers.accept)
    return reply.type(mediaType).send(text)
  })
  await server.listen([listen])
  return server
}
