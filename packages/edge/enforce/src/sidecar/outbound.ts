import { reservedNames } from '@quantum-ip/point'
import { type RelayLimits, type RelayTimeouts } from '../gateway/relay-options.ts'
import { type Relay, openRelay } from '../gateway/relay.ts'
import type { UpstreamOptions } from '../gateway/upstream.ts'
import { answerChallenges } from './answer-challenge.ts'
import { OutboundGuard, type OutboundParts, type OutboundPlace } from './outbound-guard.ts'
import type { TokenWish } from './held-tokens.ts'

/** A service that applications call. */
export interface Destination {
  /** What they call it: host, and port unless it is 80. */
  readonly host: string
  readonly wish: TokenWish
  readonly upstream: UpstreamOptions
  /** Whether a call names the callers before: where it belongs to one that is known, always, or never. */
  readonly chain: 'kept' | 'required' | 'none'
}

/** What {@link openOutbound} needs. */
export interface OutboundOptions extends Omit<OutboundParts, 'places'> {
  /** Stands in `Via`. */
  readonly name: string
  /** On the loopback: whoever may connect there calls as this service. */
  readonly listen: { readonly host: string; readonly port: number }
  readonly destinations: readonly Destination[]
  readonly limits?: Partial<RelayLimits>
  readonly timeouts?: Partial<RelayTimeouts>
}

/**
 * Opens the listener for calls of the application to others: it calls them by their names over plain HTTP, here or with this as its HTTP
 * proxy, and the sidecar attaches a token and speaks TLS to them where they want it.
 *
 * It is the gateway's relay, with a guard that attaches. Only configured destinations are reached; `CONNECT` is refused, since nothing
 * can be attached to what is encrypted.
 *
 * @throws {EnforceError} `QIP_ENFORCE_UPSTREAM_INVALID`, `QIP_ENFORCE_LISTEN_FAILED`
 */
export async function openOutbound(options: OutboundOptions): Promise<Relay> {
  const ready = Promise.withResolvers<OutboundGuard>()
  const relay = await openRelay({
    name: options.name,
    listeners: [{ name: `${options.name}/outbound`, ...options.listen }],
    reserved: reservedNames,
    guard: async (head) => (await ready.promise).judge(head),
    ...(options.limits !== undefined && { limits: options.limits }),
    ...(options.timeouts !== undefined && { timeouts: options.timeouts }),
  })
  try {
    const places = new Map(
      options.destinations.map((destination) => [destination.host, placeOf(destination, { relay, options })]),
    )
    ready.resolve(new OutboundGuard({ ...options, places }))
    return relay
  } catch (error) {
    await relay.close()
    throw error
  }
}

function placeOf(
  { host, wish, upstream: wanted, chain }: Destination,
  { relay, options }: { readonly relay: Relay; readonly options: OutboundOptions },
): OutboundPlace {
  const upstream = relay.openUpstream(wanted)
  const onHeadSent = (): void => options.observer?.outbound('head_sent')
  const dispatcher = upstream.dispatcher.compose(answerChallenges({ onHeadSent }))
  // Its counters are read through, not copied.
  const challenged = Object.create(upstream, { dispatcher: { value: dispatcher } }) as typeof upstream
  const scheme = upstream.connect.secure ? 'https' : 'http'
  return { wish, chain, upstream: challenged, origin: `${scheme}://${host}` }
}
