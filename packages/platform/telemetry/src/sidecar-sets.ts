type Places<Member extends string> = { readonly [Each in Member]: number }

/** How a sidecar had a token: of those that are held, or for one call, by exchange or by an order of its own. */
export type TokenWay = 'held' | 'exchanged' | 'ordered'

/** Place of each of them. */
export const tokenWayPlaces: Places<TokenWay> = { held: 0, exchanged: 1, ordered: 2 }

/** What became of a token that a sidecar wanted. */
export type TokenOutcome = 'ok' | 'refused' | 'unavailable'

/** Place of each of them. */
export const tokenOutcomePlaces: Places<TokenOutcome> = { ok: 0, refused: 1, unavailable: 2 }

/**
 * What became of a call that a service made through its sidecar.
 *
 * - `sent`: with a token of the service alone
 * - `sent_in_chain`: with one that names the callers before
 * - `head_sent`: sent again with the head that was asked for; counted beside the first
 * - `no_destination`: nothing is configured for its host
 * - `no_token`: none could be had
 * - `call_unknown`: a chain is required, and no inbound call is remembered
 * - `call_ambiguous`: several callers are in its trace
 * - `browser`: a browser sent it
 */
export type OutboundOutcome =
  | 'sent'
  | 'sent_in_chain'
  | 'head_sent'
  | 'no_destination'
  | 'no_token'
  | 'call_unknown'
  | 'call_ambiguous'
  | 'browser'

/** Place of each of them. */
export const outboundPlaces: Places<OutboundOutcome> = {
  sent: 0,
  sent_in_chain: 1,
  head_sent: 2,
  no_destination: 3,
  no_token: 4,
  call_unknown: 5,
  call_ambiguous: 6,
  browser: 7,
}

/** What the workload API is asked for. */
export type WorkloadOperation = 'token' | 'verify' | 'identity' | 'bundle' | 'watch' | 'other'

/** Place of each of them. */
export const workloadOperationPlaces: Places<WorkloadOperation> = {
  token: 0,
  verify: 1,
  identity: 2,
  bundle: 3,
  watch: 4,
  other: 5,
}

/** How it answered: 2xx, 4xx or 5xx. */
export type WorkloadOutcome = 'ok' | 'refused' | 'failed'

/** Place of each of them. */
export const workloadOutcomePlaces: Places<WorkloadOutcome> = { ok: 0, refused: 1, failed: 2 }
