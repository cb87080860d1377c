import type { Reason } from '@quantum-ip/verifier'
import type { Condition } from './condition.ts'
import type { ExceptionUse } from './decision.ts'
import type {
  Consequence,
  EngineClause,
  Locate,
  PolicyDocument,
  PolicyException,
  Quarantine,
  Rule,
} from './document.ts'
import { mentionsIn } from './lib/mentions.ts'
import { type Reach, reachOfDefault, reachOfEngine, reachOfRule } from './lib/reach.ts'
import { placeOf } from './lib/reader.ts'
import { policyLimits } from './limits.ts'
import { type Place, PolicyError } from './policy-errors.ts'
import { allReasons, allStatuses, isReason, statusByReason } from './verdict-reasons.ts'

/** What a policy is called in decisions and records. */
export interface PolicyIdentity {
  readonly name: string
  readonly version: number
}

/** A consequence with what is needed to apply it. */
export interface CompiledConsequence extends Consequence {
  /** Where a quarantined request goes; `null` for other actions. */
  readonly quarantine: Quarantine | null
  readonly reach: Reach
}

/** A rule, ready to decide. */
export interface CompiledRule extends CompiledConsequence {
  readonly name: string
  readonly condition: Condition | null
}

/** An exception, ready to decide. */
export interface CompiledException extends CompiledRule {
  /** From then on it holds no more, seconds since 1970. */
  readonly expiresS: number
  /** What a decision says of it. */
  readonly use: ExceptionUse
}

/** An engine's place in a policy, ready to decide: what each of its actions may be about. */
export interface CompiledEngine {
  readonly name: string
  readonly allow: CompiledConsequence
  readonly quarantine: CompiledConsequence
  readonly onUnavailable: 'reject' | 'default'
}

/** A policy, ready to decide. Immutable; made once at load. */
export interface CompiledPolicy {
  readonly document: PolicyDocument
  readonly identity: PolicyIdentity
  readonly exceptions: readonly CompiledException[]
  readonly rules: readonly CompiledRule[]
  readonly engine: CompiledEngine | null
  readonly defaults: ReadonlyMap<string, CompiledConsequence>
}

/** Compiles the text of a condition. */
export type ConditionCompiler = (text: string, at: Place) => Condition

/**
 * Makes a policy ready to decide, with conditions compiled by whoever can: this module has no part in CEL, so that whoever decides
 * by a policy without conditions need not load it.
 *
 * @throws {PolicyError} `QIP_POLICY_LIMIT_EXCEEDED`, `QIP_POLICY_NOT_NAMED`, and what `compile` throws
 */
export function assemblePolicy(
  document: PolicyDocument,
  compile: ConditionCompiler,
  options: { readonly locate?: Locate } = {},
): CompiledPolicy {
  const { quarantine } = document
  const exceptions = document.exceptions.map((exception, at) =>
    assembleException(exception, {
      quarantine,
      compile,
      at: placeOf(`spec.exceptions[${at}].when`, options.locate),
    }),
  )
  const rules = document.rules.map((rule, at) =>
    assembleRule(rule, { quarantine, compile, at: placeOf(`spec.rules[${at}].when`, options.locate) }),
  )
  const cost = [...exceptions, ...rules].reduce((sum, { condition }) => sum + (condition?.cost ?? 0), 0)
  if (cost > policyLimits.policyCostMax) {
    const at = placeOf('spec.rules', options.locate)
    throw new PolicyError('QIP_POLICY_LIMIT_EXCEEDED', {
      at,
      what: 'units of cost',
      limit: policyLimits.policyCostMax,
    })
  }
  return {
    document,
    identity: { name: document.name, version: document.version },
    exceptions,
    rules,
    engine: document.engine === null ? null : assembleEngine(document.engine, document.quarantine),
    defaults: new Map(allReasons.map((reason) => [reason, assembleDefault(document, reason)])),
  }
}

interface RuleContext {
  readonly quarantine: Quarantine
  readonly compile: ConditionCompiler
  readonly at: Place
}

function assembleException(exception: PolicyException, context: RuleContext): CompiledException {
  const { name, owner, expiresMs } = exception
  return {
    ...assembleRule(exception, context),
    expiresS: Math.floor(expiresMs / 1_000),
    use: { name, owner },
  }
}

function assembleRule(rule: Rule, { quarantine, compile, at }: RuleContext): CompiledRule {
  const condition = rule.when === null ? null : compile(rule.when, at)
  const reach = reachOfRule(rule, condition?.facts.has('verdict.deep') ?? false)
  if (condition !== null) checkMentions(condition, { rule, reach }, at)
  return { ...consequenceOf(rule, quarantine), name: rule.name, condition, reach }
}

function assembleEngine(clause: EngineClause, quarantine: Quarantine): CompiledEngine {
  const { name, onUnavailable } = clause
  const speaking = (action: 'allow' | 'quarantine'): CompiledConsequence => {
    const consequence = consequenceOf({ action, deferred: false, quarantine: clause.quarantine }, quarantine)
    return { ...consequence, reach: reachOfEngine(clause, consequence) }
  }
  return { name, allow: speaking('allow'), quarantine: speaking('quarantine'), onUnavailable }
}

function assembleDefault(document: PolicyDocument, reason: Reason): CompiledConsequence {
  const consequence = document.defaults.byReason[reason] ?? document.defaults.byStatus[statusByReason[reason]]
  return { ...consequenceOf(consequence, document.quarantine), reach: reachOfDefault(document, reason) }
}

function consequenceOf(consequence: Consequence, fallback: Quarantine): Consequence {
  const { action, deferred, quarantine } = consequence
  return { action, deferred, quarantine: action === 'quarantine' ? (quarantine ?? fallback) : null }
}

// A rule that waits for a verdict which it cannot speak for would never hold; its author thinks that it does.
function checkMentions(
  condition: Condition,
  { rule, reach }: { readonly rule: Rule; readonly reach: Reach },
  at: Place,
): void {
  for (const { fact, text } of mentionsIn(condition.tree)) {
    const asked =
      fact === 'verdict.reason' && isReason(text)
        ? [text]
        : fact === 'verdict.status'
          ? allReasons.filter((reason) => statusByReason[reason] === text)
          : []
    if (asked.length === 0) continue
    if (asked.some((reason) => reach.authenticated.has(reason) || reach.unauthenticated.has(reason))) continue
    throw new PolicyError('QIP_POLICY_NOT_NAMED', {
      at,
      reason: `${'expiresMs' in rule ? 'exception' : 'rule'} \`${rule.name}\` asks for \`${text}\`, which \`action: ${rule.action}\` holds for by name only`,
      next: nextFor(asked, text),
    })
  }
}

function nextFor(asked: readonly Reason[], text: string): string {
  const [reason] = asked
  if (reason === 'overloaded') return 'take it out: `overloaded` is always refused'
  if (reason !== undefined && statusByReason[reason] === 'missing') {
    return 'write `anonymous: true` in the rule to allow, or list the `reasons` to quarantine'
  }
  return allStatuses.some((status) => status === text)
    ? `list the reasons of status \`${text}\` that are meant under \`reasons\` of the rule`
    : `list \`${text}\` under \`reasons\` of the rule`
}
