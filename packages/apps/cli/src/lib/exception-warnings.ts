import type { PolicyDocument } from '@quantum-ip/policy'
import { formatMoment } from './times.ts'

const soonMs = 3 * 86_400_000

/** What a policy's owner should do about its exceptions: those that have ended, and those that soon will. One sentence each. */
export function exceptionWarnings({ name, exceptions }: PolicyDocument, nowMs: number): readonly string[] {
  return exceptions
    .filter(({ expiresMs }) => expiresMs - nowMs <= soonMs)
    .map((exception) => {
      const end = formatMoment(exception.expiresMs, nowMs)
      const which = `exception \`${exception.name}\` of policy ${name}`
      return exception.expiresMs <= nowMs
        ? `${which} has ended (${end}): take it out`
        : `${which} ends soon (${end}): ${exception.owner} owns it`
    })
}
