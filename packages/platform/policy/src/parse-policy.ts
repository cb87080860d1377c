import type { Reason, Status } from '@quantum-ip/verifier'
import type { Action, Consequence, Defaults, Locate, PolicyDocument, PolicyMode, Rule } from './document.ts'
import { parsePercent, readName, readPercent, readQuarantine, readReasons } from './lib/forms.ts'
import { readEngine } from './lib/read-engine.ts'
import { readExceptions } from './lib/read-exceptions.ts'
import { checkDefaults, checkRule } from './lib/naming.ts'
import { Reader, required } from './lib/reader.ts'
import { defaultQuarantine } from './default-quarantine.ts'
import { policyLimits } from './limits.ts'
import { allReasons, allStatuses, isReason } from './verdict-reasons.ts'

const actions = ['allow', 'reject', 'quarantine'] as const satisfies readonly Action[]

/** How a policy's `apiVersion` is written. */
export const policyApiVersion = 'quantum-ip.dev/v1'

/**
 * Parses a policy: an already-read value, as YAML or JSON gives it.
 *
 * Strict and closed: an unknown key is an error that names the nearest known one; whatever lets
 * a request through that is not plainly verified must be there by name (see `QIP_POLICY_NOT_NAMED`).
 * Conditions are checked by {@link compilePolicy}.
 *
 * Given `nowMs`, milliseconds since 1970, exceptions whose end is further away than they may last are refused, too; {@link decide}
 * passes over those in any case.
 *
 * @throws {PolicyError} `QIP_POLICY_KEY_UNKNOWN`, `QIP_POLICY_KEY_MISSING`, `QIP_POLICY_VALUE_INVALID`,
 * `QIP_POLICY_LIMIT_EXCEEDED`, `QIP_POLICY_NOT_NAMED`; each with the path of the value and, given `locate`,
 * its line and column.
 */
export function parsePolicy(
  value: unknown,
  options: { readonly locate?: Locate; readonly nowMs?: number } = {},
): PolicyDocument {
  const reader = new Reader(value, '', options.locate)
  const top = reader.object(['apiVersion', 'kind', 'metadata', 'spec'])
  required(top, { of: reader, key: 'apiVersion', example: `apiVersion: ${policyApiVersion}` }).oneOf([
    policyApiVersion,
  ])
  required(top, { of: reader, key: 'kind', example: 'kind: Policy' }).oneOf(['Policy'])
  const metadata = required(top, {
    of: reader,
    key: 'metadata',
    example: 'metadata: { name: default, version: 1 }',
  })
  const spec = required(top, { of: reader, key: 'spec', example: 'spec: { mode: monitor, … }' })
  return { ...readMetadata(metadata), ...readSpec(spec, options.nowMs) }
}

function readMetadata(reader: Reader): Pick<PolicyDocument, 'name' | 'version' | 'description'> {
  const members = reader.object(['name', 'version', 'description'])
  const name = required(members, { of: reader, key: 'name', example: 'name: default' })
  const version = required(members, { of: reader, key: 'version', example: 'version: 1' })
  const description = members.get('description')
  return {
    name: readName(name),
    version: version.integer('a whole number from 1 on', Number.MAX_SAFE_INTEGER),
    description: description?.text('a text', policyLimits.descriptionCharsMax) ?? null,
  }
}

function readSpec(
  reader: Reader,
  nowMs: number | undefined,
): Omit<PolicyDocument, 'name' | 'version' | 'description'> {
  const members = reader.object([
    'mode',
    'anonymous',
    'quarantine',
    'exceptions',
    'rules',
    'engine',
    'default',
  ])
  const mode = readMode(required(members, { of: reader, key: 'mode', example: 'mode: monitor' }))
  const anonymous = members.get('anonymous')?.bool() ?? false
  const quarantine = members.get('quarantine')
  const defaults = required(members, {
    of: reader,
    key: 'default',
    example: 'default: { verified: allow, missing: reject, invalid: reject, unverifiable: reject }',
  })
  return {
    ...mode,
    anonymous,
    quarantine: quarantine === undefined ? defaultQuarantine : readQuarantine(quarantine),
    exceptions: readExceptions(members.get('exceptions'), nowMs),
    rules: readRules(members.get('rules')),
    engine: readEngine(members.get('engine')),
    defaults: readDefaults(defaults, { anonymous, mode: mode.mode }),
  }
}

const modeExpected = '`monitor`, `canary: 5%` or `enforce`'

function readMode(reader: Reader): Pick<PolicyDocument, 'mode' | 'canaryPercent'> {
  const { value } = reader
  if (value === 'monitor' || value === 'enforce') return { mode: value, canaryPercent: null }
  // YAML does not take `mode: canary: 5%` on one line: a quoted text and a mapping say the same.
  if (typeof value === 'string') {
    const percent = parsePercent(value.replace(/^canary: */, ''))
    if (percent === undefined || !value.startsWith('canary:')) {
      throw reader.invalid(modeExpected, ['monitor', 'enforce', 'canary: 5%'])
    }
    return { mode: 'canary', canaryPercent: percent }
  }
  if (typeof value !== 'object' || value === null) throw reader.invalid(modeExpected)
  const members = reader.object(['canary'])
  const share = required(members, { of: reader, key: 'canary', example: 'mode: { canary: 5% }' })
  return { mode: 'canary', canaryPercent: readPercent(share) }
}

function readRules(reader: Reader | undefined): readonly Rule[] {
  if (reader === undefined) return []
  const names = new Set<string>()
  return reader.list('rules', policyLimits.rulesMax).map((item) => {
    const rule = readRule(item)
    if (names.has(rule.name)) throw item.invalid(`a name that no other rule has, not \`${rule.name}\` again`)
    names.add(rule.name)
    return rule
  })
}

function readRule(reader: Reader): Rule {
  const members = reader.object(['name', 'when', 'reasons', 'action', 'deferred', 'anonymous', 'quarantine'])
  const name = readName(required(members, { of: reader, key: 'name', example: 'name: unattested-builds' }))
  const when = members.get('when')?.text('a condition', policyLimits.conditionCharsMax) ?? null
  const reasons = readReasons(members.get('reasons'))
  if (when === null && reasons === null) {
    required(members, { of: reader, key: 'when', example: 'when: build.slsaLevel < 3' })
  }
  const rule: Rule = {
    name,
    when,
    reasons,
    anonymous: members.get('anonymous')?.bool() ?? false,
    ...readConsequence(reader, members),
  }
  checkRule(rule, reader)
  return rule
}

function readConsequence(reader: Reader, members: ReadonlyMap<string, Reader>): Consequence {
  const action = required(members, { of: reader, key: 'action', example: 'action: reject' }).oneOf(actions)
  const deferred = members.get('deferred')
  const quarantine = members.get('quarantine')
  if (deferred?.bool() === true && action !== 'allow') throw deferred.invalid('`action: allow` beside it')
  if (quarantine !== undefined && action !== 'quarantine') {
    throw quarantine.invalid('`action: quarantine` beside it')
  }
  return {
    action,
    deferred: deferred?.bool() ?? false,
    quarantine: quarantine === undefined ? null : readQuarantine(quarantine),
  }
}

const rejecting: Consequence = { action: 'reject', deferred: false, quarantine: null }

function readDefaults(
  reader: Reader,
  context: { readonly anonymous: boolean; readonly mode: PolicyMode },
): Defaults {
  const members = reader.object([...allStatuses, ...allReasons])
  required(members, { of: reader, key: 'verified', example: 'verified: allow' })
  // What is not spelled out is refused.
  const byStatus: Record<Status, Consequence> = {
    verified: rejecting,
    missing: rejecting,
    invalid: rejecting,
    unverifiable: rejecting,
  }
  const byReason: Partial<Record<Reason, Consequence>> = {}
  for (const [key, member] of members) {
    const consequence = readDefault(member)
    if (isReason(key)) byReason[key] = consequence
    else byStatus[key as Status] = consequence
    checkDefaults({ key: key as Reason | Status, consequence, ...context }, member)
  }
  return { byStatus, byReason }
}

function readDefault(reader: Reader): Consequence {
  if (typeof reader.value === 'string') return { ...rejecting, action: reader.oneOf(actions) }
  return readConsequence(reader, reader.object(['action', 'deferred', 'quarantine']))
}
