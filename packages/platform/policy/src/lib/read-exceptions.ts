import type { PolicyException } from '../document.ts'
import { policyLimits } from '../limits.ts'
import { readName, readQuarantine, readReasons, readTimeS } from './forms.ts'
import { checkRule } from './naming.ts'
import { type Reader, required } from './reader.ts'

const dayMs = 86_400_000

const keys = ['name', 'owner', 'reason', 'expires', 'when', 'reasons', 'action', 'anonymous', 'quarantine']

/** The exceptions of a policy. `nowMs`: see `parsePolicy`. */
export function readExceptions(
  reader: Reader | undefined,
  nowMs: number | undefined,
): readonly PolicyException[] {
  if (reader === undefined) return []
  const names = new Set<string>()
  return reader.list('exceptions', policyLimits.exceptionsMax).map((item) => {
    const exception = readException(item, nowMs)
    const { name } = exception
    if (names.has(name)) throw item.invalid(`a name that no other exception has, not \`${name}\` again`)
    names.add(name)
    return exception
  })
}

function readException(reader: Reader, nowMs: number | undefined): PolicyException {
  const members = reader.object(keys)
  const need = (key: string, example: string): Reader => required(members, { of: reader, key, example })
  const action = need('action', 'action: allow').oneOf(['allow', 'quarantine'] as const)
  const quarantine = members.get('quarantine')
  if (quarantine !== undefined && action !== 'quarantine') {
    throw quarantine.invalid('`action: quarantine` beside it')
  }
  const exception: PolicyException = {
    name: readName(need('name', 'name: payroll-cutover')),
    owner: need('owner', 'owner: team-payroll').text('who answers for it', policyLimits.ownerCharsMax),
    reason: need('reason', 'reason: the registry moves, see CHG-1234').text(
      'why it is there',
      policyLimits.reasonCharsMax,
    ),
    expiresMs: readEnd(need('expires', 'expires: 2026-12-01T18:00:00Z'), nowMs),
    when: need('when', 'when: request.route == "payroll"').text(
      'a condition',
      policyLimits.conditionCharsMax,
    ),
    reasons: readReasons(members.get('reasons')),
    action,
    anonymous: members.get('anonymous')?.bool() ?? false,
    // Nothing is put off: whoever breaks the glass names `ok_shallow`.
    deferred: false,
    quarantine: quarantine === undefined ? null : readQuarantine(quarantine),
  }
  checkRule(exception, reader, 'exception')
  return exception
}

function readEnd(reader: Reader, nowMs: number | undefined): number {
  const ms = readTimeS(reader) * 1_000
  const days = policyLimits.exceptionDaysMax
  if (nowMs !== undefined && ms > nowMs + days * dayMs) {
    const latest = new Date(nowMs + days * dayMs).toISOString().slice(0, 10)
    throw reader.invalid(`an end at most ${days} days ahead, until ${latest}`)
  }
  return ms
}
