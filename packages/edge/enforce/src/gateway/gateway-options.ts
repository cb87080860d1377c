import type { ServiceId } from '@quantum-ip/base'
import type { CompiledPolicy } from '@quantum-ip/policy'
import type { LoadShedder } from '@quantum-ip/http'
import type { Carried, Outcome, PointOptions, RevocationFeed } from '@quantum-ip/point'
import type { ShedCause } from '@quantum-ip/telemetry'
import type { Verifier } from '@quantum-ip/verifier'
import type { ProbeOptions } from './probe.ts'
import type { RelayOptions } from './relay-options.ts'
import type { RouteTerms } from './route-setup.ts'
import type { UpstreamOptions } from './upstream.ts'

/** One route: which requests, for which service, to where, by which policy. */
export interface GatewayRoute extends RouteTerms {
  readonly upstream: UpstreamOptions
  /** Where quarantined requests go, unless the policy names something else. Absent: to the upstream, limited. */
  readonly quarantineUpstream?: UpstreamOptions | undefined
  /**
   * Bodies up to this many bytes are held until the token has been checked, so that tokens bound to the
   * content can be. Default 0: bodies stream, and such tokens are `binding_mismatch`.
   */
  readonly bodyBytesHeld?: number | undefined
  /** A fact of the service. Under load, `low` gives way first, then `standard`; `critical` last. Default `standard`. */
  readonly tier?: string | undefined
}

/** What openGateway needs. All parts are passed in; the gateway makes none of its own. */
export interface GatewayOptions
  extends Omit<RelayOptions, 'guard' | 'reserved' | 'name' | 'clock'>, Omit<PointOptions, 'verifier'> {
  /** Name of this enforcement point, in decision IDs, facts and `Via`. */
  readonly point: string
  readonly region?: string | null
  readonly routes: readonly GatewayRoute[]
  readonly verifier: Verifier
  readonly policies: ReadonlyMap<string, CompiledPolicy>
  /**
   * Policies that decide too, by the name of the route's policy. In mode `monitor` without effect; in `canary`, and in `enforce`, in
   * place of the active one for those callers for whom they are carried out.
   */
  readonly candidates?: ReadonlyMap<string, CompiledPolicy>
  /** Upstreams that policies name for quarantine. */
  readonly quarantineUpstreams?: ReadonlyMap<string, UpstreamOptions>
  /** Quarantined requests in flight per service, where the policy gives a share. Default 10. */
  readonly quarantineInFlightMax?: number
  /** Cuts open streams when a revocation takes effect. Without it they last until their token ends. */
  readonly trust?: RevocationFeed
  /** Sheds requests of low tiers while this thread is late with its work; the caller closes it. Default: none. */
  readonly shedder?: LoadShedder
  /** Hears of each request that was shed. `service` is absent where it was shed before its route was known. */
  readonly onShed?: (cause: ShedCause, service?: ServiceId) => void
  /** Answers probes of `qip doctor`. Default: there are none, and a ticket in a query means nothing. */
  readonly probes?: ProbeOptions
  /**
   * Hears of each request that goes on to its upstream, and returns the fields that it gets: `fields`, changed or not. Without an outcome
   * where the request is exempt. Must be cheap, and not throw.
   */
  readonly onward?: (carried: Carried, fields: readonly string[], outcome?: Outcome) => readonly string[]
  /** Whether an incident is open. */
  readonly incident?: () => boolean
  /** Seconds that clocks may differ: how long after its token's end a stream is cut. Default 30. */
  readonly clockToleranceS?: number
  /**
   * Service IDs or common names of proxies in front that may repeat a request with its one-time token, by their
   * client certificate, and the field with the request's ID. Default none.
   */
  readonly retries?: { readonly proxies: readonly string[]; readonly requestIdField: string }
}
