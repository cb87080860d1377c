import type { OtlpConfig } from './config-otlp.ts'
import type { Section } from './section.ts'

/** What goes to a Collector, out of a configuration that was checked. */
export function resolveOtlp(at: Section): OtlpConfig {
  const traces = at.section('traces')
  return {
    endpoint: at.text('endpoint').replace(/\/+$/, ''),
    headersFile: at.optionalPath('headersFile'),
    caFile: at.optionalPath('caFile'),
    protocol: at.word('protocol', 'otlpProtocol'),
    intervalMs: at.durationMs('interval'),
    timeoutMs: at.durationMs('timeout'),
    queueMax: at.integer('queue'),
    metrics: at.flag('metrics'),
    logs: at.flag('logs'),
    traces: {
      share: traces.share('share'),
      incidentShare: traces.share('incidentShare'),
      perSecondMax: traces.integer('perSecond'),
    },
  }
}
