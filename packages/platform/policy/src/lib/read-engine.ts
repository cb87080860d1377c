import type { EngineClause } from '../document.ts'
import { readName, readQuarantine, readReasons } from './forms.ts'
import { checkRule } from './naming.ts'
import { type Reader, required } from './reader.ts'

/** The engine of a policy: who is asked after its rules, and what it may speak for. */
export function readEngine(reader: Reader | undefined): EngineClause | null {
  if (reader === undefined) return null
  const members = reader.object(['name', 'reasons', 'anonymous', 'quarantine', 'onUnavailable'])
  const name = readName(required(members, { of: reader, key: 'name', example: 'name: central' }))
  const quarantine = members.get('quarantine')
  const reasons = readReasons(members.get('reasons'))
  const clause: EngineClause = {
    name,
    reasons,
    anonymous: members.get('anonymous')?.bool() ?? false,
    quarantine: quarantine === undefined ? null : readQuarantine(quarantine),
    onUnavailable: members.get('onUnavailable')?.oneOf(['reject', 'default'] as const) ?? 'reject',
  }
  // Whatever an engine may not do, a rule with these names may not.
  const asRule = {
    name,
    when: null,
    reasons,
    action: 'quarantine',
    anonymous: false,
    deferred: false,
    quarantine: null,
  } as const
  checkRule(asRule, reader, 'engine')
  return clause
}
