import { systemClock } from '@quantum-ip/base'
import type { GatewayOptions } from '@quantum-ip/enforce'
import {
  type DecisionRecord,
  exportObserver,
  type SuppressionRecord,
  type TelemetryBatch,
  TelemetryOutbox,
  TraceSampler,
} from '@quantum-ip/telemetry'
import type { GatewayPartOptions } from './gateway-part.ts'

/** What one thread of a gateway hands over to be sent to a Collector. */
export interface OutboxPart {
  /** For the gateway: spans, and which traces are sampled. */
  readonly gateway: Pick<GatewayOptions, 'spans' | 'sampler'>
  /** Takes a decision record. */
  record(record: DecisionRecord | SuppressionRecord): void
  /** Hands over what is left. */
  close(): void
}

const handOverMs = 250

/** Opens the outbox of one thread; without a Collector in the configuration it takes nothing, and the gateway makes no spans. */
export function openOutboxPart(
  { config, metrics, onTelemetry }: Pick<GatewayPartOptions, 'config' | 'metrics' | 'onTelemetry'>,
  incident: () => boolean,
): OutboxPart {
  const { otlp } = config.telemetry
  if (otlp === undefined) return { gateway: {}, record: () => undefined, close: () => undefined }
  const { queueMax, traces } = otlp
  const { share, incidentShare, perSecondMax } = traces
  const outbox = new TelemetryOutbox({
    clock: systemClock,
    observer: exportObserver(metrics),
    queueMax,
    spansPerSecondMax: perSecondMax,
  })
  const handOver = (): void => {
    const batch: TelemetryBatch | undefined = outbox.drain()
    if (batch !== undefined) onTelemetry(batch)
  }
  const timer = setInterval(handOver, handOverMs).unref()
  return {
    gateway:
      perSecondMax === 0
        ? {}
        : { spans: outbox, sampler: new TraceSampler({ share, incidentShare, incident }) },
    record: (record) => outbox.record(record),
    close() {
      clearInterval(timer)
      handOver()
    },
  }
}
