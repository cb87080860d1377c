import { checkRevocation } from './check-revocation.ts'
import type { ScriptClaims } from './claims.ts'
import type { Platform } from './platform.ts'
import { evaluateProof } from './proof.ts'
import { isBoundToRequest, type ScriptRequest } from './request-binding.ts'
import { findHead, type HeldKey, type HeldState, isFresh, readHeldState } from './state.ts'
import { isStripped } from './stripped.ts'
import { readCompactToken, type ScriptToken } from './token.ts'

/** One request, as far as a token is judged by it. */
export interface ScriptInput {
  /** The `Quantum-IP` field; several are joined by commas, which no token has. */
  readonly token: string | undefined
  readonly tracestate: string | undefined
  /** The service that is asked. */
  readonly audience: string
  readonly nowMs: number
  readonly request: ScriptRequest
  /** SHA-256 of the verified client certificate, where there is one. */
  readonly certificate: Uint8Array | undefined
}

/** What was found out. */
export interface ScriptVerdict {
  /** Of the closed table of reasons. */
  readonly reason: string
  /**
   * Whether a verifier that is asked could come to another verdict: the head is not here yet, the token is good for one use, or
   * needs a proof or is of a form that SHA-256 alone does not check. Where nobody is asked, `reason` stands, and it refuses.
   */
  readonly ask: boolean
  /** What key, head and proof vouch for; absent while they do not. */
  readonly claims: ScriptClaims | undefined
  /** Why the state cannot be read, for the operator. */
  readonly fault?: string
}

function refused(reason: string): ScriptVerdict {
  return { reason: reason, ask: false, claims: undefined }
}

function open(reason: string, claims: ScriptClaims | undefined, ask: boolean): ScriptVerdict {
  return { reason: reason, ask: ask, claims: claims }
}

/**
 * Judges the token of one request by the held state: the verifier's steps in the verifier's order, with SHA-256 alone. Its verdict is
 * the verifier's, or says that one must be asked; never a better one. Never throws: what cannot be known is `trust_stale`.
 */
export function judgeToken(input: ScriptInput, platform: Platform): ScriptVerdict {
  const text = input.token
  if (text === undefined) {
    const missing = isStripped(input.tracestate, input.audience, platform)
    return refused(missing ? 'token_stripped' : 'token_absent')
  }
  const token = readCompactToken(text, platform)
  if (token === 'truncated') return refused('token_truncated')
  if (token === 'malformed') return refused('token_malformed')
  if (token === 'other') return open('token_malformed', undefined, isOtherForm(text))
  try {
    return judgeByState(token, input, platform)
  } catch (error) {
    // What is revoked is not known.
    const fault = 'the state cannot be read: ' + (error as Error).message
    return { reason: 'trust_stale', ask: false, claims: undefined, fault: fault }
  }
}

// What nobody would accept is not worth asking about.
function isOtherForm(text: string): boolean {
  return text.length <= 8000 && /^(?:qipr?1\.|eyJ)[A-Za-z0-9._-]+$/.test(text)
}

function judgeByState(token: ScriptToken, input: ScriptInput, platform: Platform): ScriptVerdict {
  const state = readHeldState(platform)
  if (state === undefined) return refused('trust_stale')
  const fresh = isFresh(state, input.nowMs)
  const claims = token.claims
  const key = findKey(token, state)
  if (key === undefined) return refused(fresh ? 'key_unknown' : 'trust_stale')
  const nowS = input.nowMs / 1000
  if (nowS > claims.exp + 30) return refused('token_expired')
  if (nowS < claims.iat - 30) return refused('token_not_yet_valid')
  if (claims.aud.indexOf(input.audience) < 0) return refused('audience_mismatch')
  const digest = platform.sha256([token.claimsBytes])
  const revoked = checkRevocation(token, { state: state, key: key, digest: digest }, platform)
  if (revoked !== undefined) return refused(revoked)
  const proven = checkHead(token, { state: state, key: key, digest: digest, fresh: fresh }, platform)
  if (proven !== undefined) return open(proven, undefined, proven === 'head_unavailable' && fresh)
  return afterProof(claims, input, fresh, platform)
}

function findKey(token: ScriptToken, state: HeldState): HeldKey | undefined {
  if (!token.claims.sub.startsWith(state.td + '/')) return undefined
  const key = state.keys[token.keyId]
  return key === undefined || key.state === 'planned' ? undefined : key
}

interface HeadCheck {
  readonly state: HeldState
  readonly key: HeldKey
  readonly digest: Uint8Array
  readonly fresh: boolean
}

function checkHead(token: ScriptToken, check: HeadCheck, platform: Platform): string | undefined {
  const hash = evaluateProof(token, check.digest, platform)
  if (hash === undefined) return 'signature_invalid'
  const held = findHead(check.state, token, platform)
  if (held !== undefined) return held === platform.hex(hash) ? undefined : 'signature_invalid'
  const key = check.key
  const wasNeverListed = key.completeFrom >= 0 && token.end <= key.size && token.end > key.completeFrom
  return check.fresh && wasNeverListed ? 'head_unknown' : 'head_unavailable'
}

// From here on the caller is authenticated.
function afterProof(
  claims: ScriptClaims,
  input: ScriptInput,
  fresh: boolean,
  platform: Platform,
): ScriptVerdict {
  // No signature can be checked here, so no proof of possession of a key: a verifier may know better.
  if (claims.jkt !== undefined) return open('binding_mismatch', claims, fresh)
  if (claims.x5t !== undefined && !isCertificate(claims.x5t, input.certificate, platform)) {
    return open('binding_mismatch', claims, false)
  }
  if (claims.req !== undefined && !isBoundToRequest(claims.req, input.request, platform)) {
    return open('binding_mismatch', claims, false)
  }
  if (!fresh) return open('trust_stale', claims, false)
  // Nothing is remembered from one request to the next.
  if (claims.oneTime) return open('replay_unavailable', claims, true)
  return open(namesAttestation(claims) ? 'ok_shallow' : 'ok', claims, false)
}

function isCertificate(wanted: Uint8Array, shown: Uint8Array | undefined, platform: Platform): boolean {
  return shown !== undefined && platform.hex(wanted) === platform.hex(shown)
}

function namesAttestation(claims: ScriptClaims): boolean {
  if (claims.att !== undefined) return true
  for (let i = 0; i < claims.chn.length; i++) {
    const hop = claims.chn[i]
    if (hop !== undefined && hop.attLog !== 0) return true
  }
  return false
}
