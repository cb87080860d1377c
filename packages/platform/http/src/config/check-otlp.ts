import type { Config } from './config.ts'
import type { ConfigFault } from './fault.ts'

/** Whether paths can be added to the endpoint of the Collector. */
export function checkOtlp({ telemetry: { otlp } }: Config): ConfigFault[] {
  if (otlp === undefined || !otlp.endpoint.includes('?')) return []
  return [
    {
      path: ['telemetry', 'otlp', 'endpoint'],
      reason: 'a URL with a query: `/v1/traces` cannot be added to it',
      next: 'leave it out; credentials are in `headersFile`',
    },
  ]
}
