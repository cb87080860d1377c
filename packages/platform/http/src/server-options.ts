import type { Clock, Random } from '@quantum-ip/base'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Arrival, GuardOptions } from './guard.ts'
import type { HealthCheck } from './health.ts'
import type { ConnectionLimits } from './listener.ts'
import type { LoadShedderOptions } from './load/load-shedder.ts'
import type { TlsGroupObserver } from './tls/group.ts'

/** Limits of a server. */
export interface ServerLimits extends ConnectionLimits {
  /** Bytes of a body, where the route sets no `bodyLimit` of its own. */
  readonly bodyBytesMax: number
  /** Header fields of a request. */
  readonly headerFieldsMax: number
  /** Requests in flight; above it 503. */
  readonly inFlightMax: number
  /** `Retry-After` is drawn from 1 to this. */
  readonly retryAfterMaxS: number
  /** After that a request is answered with 503; the handler's `request.signal` is aborted. */
  readonly handlerTimeoutMs: number
  /** What requests in flight get to finish when the server stops. */
  readonly stopDeadlineMs: number
}

/** The limits where nothing else is said. */
export const defaultServerLimits: ServerLimits = {
  bodyBytesMax: 1_048_576,
  headerBytesMax: 16_384,
  headerFieldsMax: 100,
  requestTimeoutMs: 30_000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 75_000,
  connectionsMax: 10_000,
  inFlightMax: 1_000,
  retryAfterMaxS: 5,
  handlerTimeoutMs: 30_000,
  stopDeadlineMs: 10_000,
}

/** What a server tells; for counters and logs. It is told nothing that a caller sent. */
export interface ServerObserver extends TlsGroupObserver {
  /** Something failed that is not the caller's fault. The reply carried the same request ID. */
  readonly onDefect?: (error: unknown, at: { readonly requestId: string; readonly route: string }) => void
  /** A request was answered. `code` is that of the error, where there was one. */
  readonly onReply?: (reply: ServerReply) => void
}

/** One answered request; the labels come from closed sets. */
export interface ServerReply {
  readonly method: string
  /** The route's pattern, `/v1/keys/:id`; empty where no route matched. */
  readonly route: string
  readonly status: number
  readonly code: string | undefined
  readonly durationMs: number
}

/**
 * Takes requests that somebody else answers. Asked before everything else, once the arrival is marked.
 *
 * @returns whether it took it; then it answers, too
 */
export type Relay = (request: IncomingMessage, response: ServerResponse, arrival: Arrival) => boolean

/** What {@link openServer} takes. */
export interface OpenServerOptions extends GuardOptions {
  /** Passes requests on whole. They count neither as in flight nor for the shedding of load here: who answers has limits of its own. */
  readonly relay?: Relay
  /** Of the API, in its OpenAPI document. */
  readonly title: string
  readonly version: string
  /** Asked by `/readyz`. */
  readonly ready?: () => Promise<readonly HealthCheck[]> | readonly HealthCheck[]
  readonly limits?: Partial<ServerLimits>
  /** When requests are refused because this thread is late with its work. Default: never. */
  readonly overload?: Pick<LoadShedderOptions, 'delayTargetMs' | 'windowMs'>
  readonly observer?: ServerObserver
  readonly clock?: Clock
  readonly random?: Random
}
