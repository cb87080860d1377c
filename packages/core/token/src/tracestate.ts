import { hex, utf8 } from '@quantum-ip/base'
import { sha256 } from '@quantum-ip/crypto'

/*
 * tracestate = list-member *( OWS "," OWS list-member )         ; W3C Trace Context, section 3.3.1: at most 32 members
 * ours       = "qip=" 8HEXDIGLC                                  ; SHA-256(aud)[0..4)
 *
 * Foreign members are kept byte for byte. A list that breaks the grammar is not repaired: only ours is looked at.
 */

const key = 'qip='
const membersMax = 32
const hintForm = /^[0-9a-f]{8}$/

/**
 * The hint that a token for `audience` was attached: 8 hexadecimal digits of SHA-256 of the service ID.
 *
 * For diagnosis only: it never changes an action. Anybody can write it, and no token can be told from it.
 */
export function tracestateHint(audience: string): string {
  return hex(sha256(utf8(audience)).subarray(0, 4))
}

/** The hint in a `tracestate` field (several fields are to be joined with commas), or `undefined`. */
export function readTracestateHint(tracestate: string): string | undefined {
  // Most requests have no such member, and no list is cut apart for them.
  if (!tracestate.includes(key)) return undefined
  for (const member of tracestate.split(',')) {
    const text = member.trim()
    if (text.startsWith(key) && hintForm.test(text.slice(key.length))) return text.slice(key.length)
  }
  return undefined
}

/** The `tracestate` without our member, and the rest as it was; the empty string where nothing is left: drop the field then. */
export function removeTracestateHint(tracestate: string): string {
  if (!tracestate.includes(key)) return tracestate
  return membersOf(tracestate).join(',')
}

/**
 * The `tracestate` with the hint for `audience` in front, where whoever changes the list puts its member, instead of
 * any earlier hint. Of more than 32 members the last are dropped (W3C Trace Context, section 3.3.1.5).
 */
export function addTracestateHint(tracestate: string, audience: string): string {
  return [key + tracestateHint(audience), ...membersOf(tracestate)].slice(0, membersMax).join(',')
}

// Empty members are allowed on the way in, and count for nothing on the way out.
function membersOf(tracestate: string): readonly string[] {
  return tracestate
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '' && !member.startsWith(key))
}
