import type { Platform } from './platform.ts'
import { shortHash } from './state.ts'

/** Whether `tracestate` says that a token for this audience set out: a hint, for diagnosis only. */
export function isStripped(tracestate: string | undefined, audience: string, platform: Platform): boolean {
  if (tracestate === undefined || tracestate.indexOf('qip=') < 0) return false
  const members = tracestate.split(',')
  for (let i = 0; i < members.length; i++) {
    const member = (members[i] as string).trim()
    // The first well-formed one counts.
    if (/^qip=[0-9a-f]{8}$/.test(member)) return member.slice(4) === shortHash(audience, platform).slice(0, 8)
  }
  return false
}

/** The `tracestate` without our member. */
export function withoutHint(tracestate: string): string {
  if (tracestate.indexOf('qip=') < 0) return tracestate
  const kept: string[] = []
  const members = tracestate.split(',')
  for (let i = 0; i < members.length; i++) {
    const member = (members[i] as string).trim()
    if (member !== '' && !member.startsWith('qip=')) kept.push(member)
  }
  return kept.join(',')
}
