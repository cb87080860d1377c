import { SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import type { Span } from '@quantum-ip/telemetry'
import { hrTime } from './hr-time.ts'

const kinds = { internal: SpanKind.INTERNAL, server: SpanKind.SERVER } as const
const statuses = { unset: SpanStatusCode.UNSET, error: SpanStatusCode.ERROR } as const

/** A finished span as the exporters of the SDK take it. */
export function readableSpan(span: Span, resource: Resource): ReadableSpan {
  const { context, parentSpanId, startMs, endMs } = span
  const traceFlags = context.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  const { traceId, spanId } = context
  return {
    name: span.name,
    kind: kinds[span.kind],
    spanContext: () => ({ traceId, spanId, traceFlags }),
    ...(parentSpanId !== null && {
      parentSpanContext: { traceId, spanId: parentSpanId, traceFlags, isRemote: true },
    }),
    startTime: hrTime(startMs),
    endTime: hrTime(endMs),
    duration: hrTime(Math.max(0, endMs - startMs)),
    status: { code: statuses[span.status] },
    attributes: span.attributes,
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }
}

/** What all that is sent is said to be made by. */
export const scope = { name: 'quantum-ip' }
