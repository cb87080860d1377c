import type { Platform } from './platform.ts'

/*
 * The held state: small texts by name, written by a verifier beside the proxy (`EdgeStateWriter`).
 *
 *   state                              JSON, as below; replaced as a whole and last
 *   <generation>/heads/<key ID>/<n>    heads with start in [64 n, 64 n + 64): lines "<start> <end> <hash, hex>" after an empty line
 *   <generation>/revoked/identity-<first 32 hex digits of SHA-256(service ID)>     "always", or an `iat` in seconds below which it holds
 *   <generation>/revoked/build-<hex>   the same
 *   <generation>/revoked/token-<hex>   "always"
 *   <generation>/revoked/range-<first 32 hex digits of SHA-256(origin)>            lines "<from> <to>", 13 hex digits each, ascending, apart
 */

/** One issuing key of the held state. */
export interface HeldKey {
  /** Origin of its log. */
  readonly log: string
  readonly state: string
  /** Index from which on the key is revoked; -1 if it isn't. */
  readonly revokedFrom: number
  /** Size of the log in the signed state. */
  readonly size: number
  /** Every head with a larger `end` that any state listed is held, or has expired; -1 if that is not known. */
  readonly completeFrom: number
}

/** What is held of one trust domain. */
export interface HeldState {
  readonly format: string
  readonly td: string
  readonly generation: string
  /** When the state was signed; milliseconds. */
  readonly timeMs: number
  readonly staleAfterMs: number
  /** When bundle or root document expire, whichever comes first; seconds. */
  readonly untilS: number
  readonly epoch: number
  /** Whether anything of the kind is revoked at all: most of the time nothing is looked up. */
  readonly revoked: {
    readonly identity: boolean
    readonly build: boolean
    readonly token: boolean
    readonly range: boolean
  }
  /** By C2SP key ID, 8 hexadecimal digits. */
  readonly keys: { readonly [keyId: string]: HeldKey }
}

/** What the first member of the state says. */
export const stateFormat = 'quantum-ip-edge-state/1'

/** The held state; `undefined` where there is none that this script understands. */
export function readHeldState(platform: Platform): HeldState | undefined {
  const text = platform.read('state')
  if (text === undefined) return undefined
  const state = JSON.parse(text) as HeldState
  return state.format === stateFormat ? state : undefined
}

/** Whether the state may be relied on: not too old, not from the future, its bundle and root document not expired. */
export function isFresh(state: HeldState, nowMs: number): boolean {
  const ageMs = nowMs - state.timeMs
  return ageMs >= -30000 && ageMs <= state.staleAfterMs && nowMs / 1000 <= state.untilS + 30
}

/** The held hash of the head [start, end) of a key, in hexadecimal digits. */
export function findHead(
  state: HeldState,
  place: { readonly keyId: string; readonly start: number; readonly end: number },
  platform: Platform,
): string | undefined {
  const start = place.start
  const lines = platform.read(state.generation + '/heads/' + place.keyId + '/' + Math.floor(start / 64))
  if (lines === undefined) return undefined
  const name = '\n' + start + ' ' + place.end + ' '
  const at = lines.indexOf(name)
  return at < 0 ? undefined : lines.slice(at + name.length, at + name.length + 64)
}

/** Whether what `name` stands for is revoked for tokens issued at `iat`. */
export function isNamedRevoked(state: HeldState, name: string, iat: number, platform: Platform): boolean {
  const before = platform.read(state.generation + '/revoked/' + name)
  // What is there and is no number revokes.
  return before !== undefined && !(iat >= Number(before))
}

/** Whether the entry at `index` of a log is revoked. */
export function isEntryRevoked(state: HeldState, origin: string, index: number, platform: Platform): boolean {
  if (!state.revoked.range) return false
  const lines = platform.read(state.generation + '/revoked/range-' + shortHash(origin, platform))
  if (lines === undefined) return false
  const wanted = index.toString(16).padStart(13, '0')
  let low = 0
  let high = lines.length / 28
  while (low < high) {
    const at = Math.floor((low + high) / 2)
    if (lines.slice(28 * at, 28 * at + 13) <= wanted) low = at + 1
    else high = at
  }
  return low > 0 && wanted < lines.slice(28 * low - 14, 28 * low - 1)
}

/** What service IDs and origins are called in names: 32 hexadecimal digits. */
export function shortHash(text: string, platform: Platform): string {
  return platform.hex(platform.sha256([asciiBytes(text)])).slice(0, 32)
}

/** The bytes of ASCII text. */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}
