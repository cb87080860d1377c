/**
 * Which requests get a deep check, of the attestation behind the token, before they are answered:
 *
 * - `always`: every one; a result is cached until its freshness limit
 * - `never`: none; the verdict is `ok_shallow` where the token names an attestation
 * - `{ sample }`: this share of the tokens, 0 to 1, by a hash, so that one token always gets the same answer
 * - `deferred`: none; whoever lets the request through checks afterwards (`checkDeferred`)
 *
 * With a share, and deferred, what is known already counts: a result that is held and fresh costs nothing and says more than
 * none, and an attestation that did not hold the last time is checked before anything passes again.
 */
export type DeepMode = 'always' | 'never' | 'deferred' | { readonly sample: number }

/** How a deep check ended that was done apart from a request: `failed` is proof, `unavailable` says nothing. */
export type DeepOutcome = 'passed' | 'failed' | 'unavailable'
