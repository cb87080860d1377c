import {
  readMerkleToken,
  readReferenceToken,
  readToken,
  readTracestateHint,
  TokenRefusal,
  tracestateHint,
} from '@quantum-ip/token'
import type { Reason, TokenForm } from '../verdict.ts'
import type { VerifyInput } from '../verify-input.ts'
import type { Check } from './check.ts'
import type { FactsReader } from './facts-reader.ts'
import type { KeyRules } from './key-check.ts'

/** What reading goes by. */
export interface ReadRules {
  /** Which keys sign JWTs: what tells a JWT that was cut from one that never was ours. */
  readonly jwt: { readonly isKnownKid: (kid: string) => boolean }
  readonly facts: FactsReader
}

/** Without a token: was there one when the request set out? A hint, for diagnosis only. */
export function absentOrStripped({ tracestate, audience }: VerifyInput): Reason {
  const hint = tracestate === undefined ? undefined : readTracestateHint(tracestate)
  return hint !== undefined && hint === tracestateHint(audience) ? 'token_stripped' : 'token_absent'
}

/** Whether tokens of this form are accepted where the request arrived. */
export function isAccepted(form: TokenForm, input: VerifyInput): boolean {
  switch (form) {
    case 'compact':
      return true
    case 'standalone':
      return input.acceptStandalone === true
    case 'jwt':
      return input.acceptJwt === true
    case 'reference':
      return input.acceptReference === true
  }
}

/** Steps *shape* and *limits*, on the text: fills the check with the token and its facts. */
export function readText(check: Check, text: string, { jwt, facts }: ReadRules): Reason | undefined {
  // Nothing is decoded in a form that is not accepted.
  if (check.input.acceptJwt !== true && !text.startsWith('qip1.')) return 'token_malformed'
  const token = readToken(text, jwt)
  if (token instanceof TokenRefusal) return token.truncated ? 'token_truncated' : 'token_malformed'
  if (token.form === 'reference' || !isAccepted(token.form, check.input)) return 'token_malformed'
  check.token = token
  check.facts = facts.read(token)
  return undefined
}

/** Steps *shape* and *key* of a reference token: nobody is asked about one of an unknown key. */
export function checkReference(check: Check, { trust, staleAfterMs }: KeyRules): Reason | undefined {
  const reference = readReferenceToken(check.text)
  if (reference instanceof TokenRefusal) return 'token_malformed'
  if (trust.keyFor(trust.td, reference.keyId, 'qip-token') !== undefined) return undefined
  return trust.staleness(check.nowMs, staleAfterMs) === undefined ? 'key_unknown' : 'trust_stale'
}

/** Reads what the authority says a reference stands for: whether that is a Merkle token of the reference's key. */
export function readResolved(check: Check, text: string, { facts }: ReadRules): boolean {
  const reference = readReferenceToken(check.text)
  const token = readMerkleToken(text)
  if (reference instanceof TokenRefusal || token instanceof TokenRefusal) return false
  if (token.keyId !== reference.keyId) return false
  check.token = token
  check.facts = facts.read(token, 'reference')
  return true
}
