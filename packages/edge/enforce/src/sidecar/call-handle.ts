import { base64url, type Random } from '@quantum-ip/base'

/*
 * tracestate = list-member *( OWS "," OWS list-member )         ; W3C Trace Context, section 3.3.1: at most 32 members
 * ours       = "qip-call=" 22(base64url)                         ; 128 random bits, given to one inbound call by one sidecar
 *
 * Tracing libraries hand a tracestate on as it is, also where they make span IDs of their own. So the member comes back with the calls
 * that the application makes for this one. It says nothing to anybody else, and goes no further than the sidecar.
 */

const key = 'qip-call='
const membersMax = 32
const handleForm = /^[A-Za-z0-9_-]{22}$/

/** Draws a handle. */
export function newCallHandle(random: Random): string {
  return base64url(random.bytes(16))
}

/** The handle in a `tracestate`; `undefined` where there is none, or more than one. */
export function readCallHandle(tracestate: string): string | undefined {
  if (!tracestate.includes(key)) return undefined
  const found = tracestate
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member.startsWith(key))
  const handle = found.length === 1 ? found[0]?.slice(key.length) : undefined
  return handle !== undefined && handleForm.test(handle) ? handle : undefined
}

/** The `tracestate` without any handle; the empty string where nothing is left. */
export function removeCallHandle(tracestate: string): string {
  return tracestate.includes(key) ? others(tracestate).join(',') : tracestate
}

/** The `tracestate` with this handle in front, in place of any other. */
export function addCallHandle(tracestate: string, handle: string): string {
  return [key + handle, ...others(tracestate)].slice(0, membersMax).join(',')
}

function others(tracestate: string): readonly string[] {
  return tracestate
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '' && !member.startsWith(key))
}
