import type { ScriptHop } from './claims.ts'
import type { Platform } from './platform.ts'
import { type HeldKey, type HeldState, isEntryRevoked, isNamedRevoked, shortHash } from './state.ts'
import type { ScriptToken } from './token.ts'

interface RevocationCheck {
  readonly state: HeldState
  readonly key: HeldKey
  readonly digest: Uint8Array
}

/** Whether key, token, identity or build are revoked, of the caller and of every hop of its chain: the reason, or `undefined`. */
export function checkRevocation(
  token: ScriptToken,
  check: RevocationCheck,
  platform: Platform,
): string | undefined {
  const state = check.state
  const key = check.key
  const claims = token.claims
  if (key.state !== 'active' && key.state !== 'published' && key.state !== 'retiring') return 'key_revoked'
  if (isRevokedAt(key, token.index)) return 'key_revoked'
  if (state.revoked.token && isNamedRevoked(state, 'token-' + platform.hex(check.digest), 0, platform)) {
    return 'token_revoked'
  }
  if (isEntryRevoked(state, key.log, token.index, platform)) return 'token_revoked'
  if (isIdentityRevoked(state, claims.sub, claims.iat, platform)) return 'identity_revoked'
  if (claims.bld !== undefined && state.revoked.build) {
    if (isNamedRevoked(state, 'build-' + platform.hex(claims.bld), claims.iat, platform))
      return 'build_revoked'
  }
  const att = claims.att
  if (att !== undefined && isEntryRevoked(state, originOf(state, 'attestations', att[0]), att[1], platform)) {
    return 'build_revoked'
  }
  // Keys of all hops before anything else of one, as the verifier has it: only the first reason is told.
  for (let i = 0; i < claims.chn.length; i++) {
    if (isHopKeyRevoked(state, claims.chn[i] as ScriptHop)) return 'key_revoked'
  }
  for (let i = 0; i < claims.chn.length; i++) {
    const reason = checkHop(state, claims.chn[i] as ScriptHop, claims.iat, platform)
    if (reason !== undefined) return reason
  }
  return undefined
}

function checkHop(state: HeldState, hop: ScriptHop, iat: number, platform: Platform): string | undefined {
  if (isEntryRevoked(state, originOf(state, 'tokens', hop.log), hop.index, platform)) return 'token_revoked'
  if (isIdentityRevoked(state, hop.sid, iat, platform)) return 'identity_revoked'
  if (hop.attLog === 0) return undefined
  const origin = originOf(state, 'attestations', hop.attLog)
  return isEntryRevoked(state, origin, hop.attIndex, platform) ? 'build_revoked' : undefined
}

// Only keys that are out are refused: a hop's key may have retired, and left the bundle, since.
function isHopKeyRevoked(state: HeldState, hop: ScriptHop): boolean {
  const origin = originOf(state, 'tokens', hop.log)
  for (const keyId in state.keys) {
    const key = state.keys[keyId] as HeldKey
    if (key.log === origin && (key.state === 'compromised' || isRevokedAt(key, hop.index))) return true
  }
  return false
}

function isRevokedAt(key: HeldKey, index: number): boolean {
  return key.revokedFrom >= 0 && index >= key.revokedFrom
}

function isIdentityRevoked(state: HeldState, sid: string, iat: number, platform: Platform): boolean {
  return (
    state.revoked.identity && isNamedRevoked(state, 'identity-' + shortHash(sid, platform), iat, platform)
  )
}

function originOf(state: HeldState, kind: string, n: number): string {
  return state.td.slice('spiffe://'.length) + '/' + kind + '/' + n
}
