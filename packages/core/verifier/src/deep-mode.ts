/**
 * Which requests get a deep check, of the attestation behind the token:
 *
 * - `always`: every one; a result is cached until its freshness limit
 * - `never`: none; the verdict is `ok_shallow` where the token names an attestation
 * - `{ sample }`: this share of the attestations, 0 to 1, by a hash, so that one token always gets the same answer
 */
export type DeepMode = 'always' | 'never' | { readonly sample: number }
