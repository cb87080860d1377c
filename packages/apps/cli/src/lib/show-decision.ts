import type { Json, JsonObject } from '@quantum-ip/base'
import { isObject } from './json.ts'
import { type Reason, verdictTable } from '@quantum-ip/verifier'
import { advice } from './advice.ts'
import { counterfactualText } from './counterfactual-text.ts'
import type { SaidOfDecision } from './adjudications.ts'
import type { FoundDecision } from './find-decision.ts'
import { type Cell, type Output, type Tone, tone } from './output.ts'
import { formatMoment, formatTime } from './times.ts'

const actionTones: Readonly<Record<string, Tone>> = { allow: 'good', reject: 'bad', quarantine: 'warn' }

/** Shows a decision: what was decided, by which rule with which values, and what would have changed it. */
export function showDecision(
  output: Output,
  found: FoundDecision,
  said: readonly SaidOfDecision[] = [],
): void {
  const { record, facts, rules, exceptions, source } = found
  const changes = whatChanges(found)
  const means = isReason(record['reason']) ? verdictTable[record['reason']].when : ''
  output.show(
    {
      source,
      record,
      facts: facts ?? null,
      exceptions: [...exceptions],
      rules: [...rules],
      means,
      changes: [...changes],
      counterfactuals: [...found.changes],
      adjudications: [...said],
    },
    () => {
      const action = text(record['action'])
      output.line(
        tone(actionTones[action] ?? 'strong', action),
        tone('strong', text(record['reason'])),
        tone('dim', found.id),
      )
      output.line(' ', means)
      output.line('')
      output.facts([
        ...recordRows(record, facts),
        ...said.map((one) => ['adjudicated', adjudicationText(one)] as const),
      ])
      const asked = [...exceptions, ...rules]
      if (asked.length > 0) showRules(output, asked, record)
      output.line('')
      output.line(tone('accent', 'What would change it'))
      for (const change of changes) output.line('  -', change)
      if (asked.length > 0) return
      output.line('')
      output.line(
        tone(
          'dim',
          `  from the record of the ${source}; with \`--policy <file>\`, the policy that decided, its rules are explained, too`,
        ),
      )
    },
  )
}

function adjudicationText({ verdict, note, operator, timeMs }: SaidOfDecision): Cell {
  const words = verdict === 'false_positive' ? 'false positive' : verdict
  return tone(
    verdict === 'false_positive' ? 'warn' : 'good',
    `${words}, by ${operator} at ${formatTime(timeMs)}${note === '' ? '' : `: ${note}`}`,
  )
}

function recordRows(
  record: JsonObject,
  facts: JsonObject | undefined,
): readonly (readonly [string, Cell] | undefined)[] {
  const timeMs = Number(record['timeMs'])
  const host = facts?.['request.host']
  return [
    ['when', `${formatTime(timeMs)} (${formatMoment(timeMs, Date.now()).split(', ')[1] ?? ''})`],
    [
      'where',
      `${text(record['point'])}${record['region'] === null ? '' : `, region ${text(record['region'])}`}`,
    ],
    ['service', text(record['service'])],
    host === undefined
      ? undefined
      : ['request', `${text(facts?.['request.method'])} ${text(host)}${text(facts?.['request.path'])}`],
    callerRow(record),
    buildRow(record['build']),
    tokenRow(record['token']),
    ['decided by', deciderText(record)],
    ['action', actionText(record)],
    Array.isArray(record['failOpen']) && record['failOpen'].length > 0
      ? ['let through', tone('warn', record['failOpen'].map((kind) => text(kind)).join(', '))]
      : undefined,
  ]
}

function callerRow({ subject, claimedSubject }: JsonObject): readonly [string, Cell] {
  if (typeof subject === 'string') return ['caller', `${subject}, proven`]
  if (typeof claimedSubject === 'string')
    return ['caller', tone('warn', `claims to be ${claimedSubject}, not proven`)]
  return ['caller', 'not known']
}

function buildRow(build: Json | undefined): readonly [string, Cell] | undefined {
  if (build === undefined || !isObject(build)) return undefined
  return ['build', `sha256:${text(build['digest'])}, ${text(build['evidence'])}`]
}

function tokenRow(token: Json | undefined): readonly [string, Cell] | undefined {
  if (token === undefined || !isObject(token)) return undefined
  return [
    'token',
    `${text(token['log']) === '' ? 'an unknown log' : text(token['log'])}, entry ${text(token['index'])}`,
  ]
}

const deciders: Readonly<Record<string, string>> = {
  engine: 'its engine',
  engine_unavailable: 'the absence of its engine, which gave no answer',
  default: 'its defaults: no rule held',
  policy_error: 'a rule that failed to evaluate',
  not_accepted: 'nothing that accepts this by name',
  overloaded: 'overload: such requests are always refused',
}

function deciderText({ policy, rule, decidedBy, exception = null }: JsonObject): string {
  const named =
    policy !== undefined && isObject(policy)
      ? `policy ${text(policy['name'])} version ${text(policy['version'])}`
      : 'the policy'
  if (isObject(exception)) {
    return `${named}: exception ${text(exception['name'])}, owned by ${text(exception['owner'])}, before its rules`
  }
  const by = decidedBy === 'rule' ? `rule ${text(rule)}` : (deciders[text(decidedBy)] ?? text(decidedBy))
  return decidedBy === 'policy_error' && typeof rule === 'string'
    ? `${named}: rule ${rule}, which failed`
    : `${named}: ${by}`
}

function actionText({ action, wouldBe, mode, enforced }: JsonObject): Cell {
  const done = text(action)
  if (enforced === true || action === wouldBe) return tone(actionTones[done] ?? 'strong', done)
  return tone(
    'warn',
    `${done}, because the policy is in mode ${text(mode)}; enforced it would be ${text(wouldBe)}`,
  )
}

const outcomes: Readonly<Record<string, Cell>> = {
  decided: tone('strong', 'decided     '),
  held: 'holds too   ',
  not_held: tone('dim', 'did not hold'),
  failed: tone('bad', 'failed      '),
  silent: tone('dim', 'not asked   '),
  ended: tone('dim', 'has ended   '),
}

function showRules(output: Output, rules: readonly JsonObject[], record: JsonObject): void {
  output.line('')
  output.line(
    tone(
      'accent',
      `Rules of policy ${text(isObject(record['policy'] ?? null) ? (record['policy'] as JsonObject)['name'] : '')}, in their order`,
    ),
  )
  for (const rule of rules) {
    output.line(
      ' ',
      outcomes[text(rule['outcome'])] ?? text(rule['outcome']),
      text(rule['name']),
      tone('dim', `→ ${text(rule['action'])}`),
    )
    if (typeof rule['when'] === 'string') output.line('      when', rule['when'])
    if (typeof rule['error'] === 'string') output.line('     ', tone('bad', rule['error']))
    const facts = rule['facts'] ?? null
    if (isObject(facts))
      for (const [name, value] of Object.entries(facts))
        output.line('     ', tone('dim', `${name} = ${JSON.stringify(value)}`))
  }
}

/** What would have to be otherwise, as far as the record says. */
function whatChanges({ record, rules, changes: found }: FoundDecision): readonly string[] {
  const { reason, status, mode, wouldBe, action, decidedBy, rule } = record
  const changes: string[] = []
  if (isReason(reason) && status !== 'verified') changes.push(advice[reason])
  changes.push(...found.map((change) => counterfactualText(change)))
  if (found.length === 0 && decidedBy === 'rule' && wouldBe !== 'allow') {
    const decided = rules.find((one) => one['outcome'] === 'decided')
    const when = typeof decided?.['when'] === 'string' ? `: it holds when ${decided['when']}` : ''
    changes.push(`other values for rule ${text(rule)}${when}`)
  }
  if (decidedBy === 'not_accepted') changes.push('a rule, or a default, that accepts this reason by name')
  if (decidedBy === 'policy_error')
    changes.push(`a correct rule ${text(rule)}: \`qip policy check\` finds what it can`)
  if (action !== wouldBe)
    changes.push(`mode enforce in place of ${text(mode)}: then it would be ${text(wouldBe)}`)
  if (changes.length === 0) changes.push(isReason(reason) ? advice[reason] : 'nothing that the record says')
  return changes
}

function isReason(value: Json | undefined): value is Reason {
  return typeof value === 'string' && Object.hasOwn(verdictTable, value)
}

function text(value: Json | undefined): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
