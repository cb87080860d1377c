import { isQipError, nearest, parsePattern, type Pattern, type ServiceId } from '@quantum-ip/base'
import { AttestationError } from './attestation-errors.ts'
import { attestationLimits } from './attestation-limits.ts'
import type { BuildFacts } from './build-facts.ts'
import type { SlsaLevel } from './builder.ts'

/** An admission rule as configuration writes it; patterns as of `parsePattern`. */
export interface AdmissionRuleText {
  readonly name?: string | undefined
  readonly service: string
  readonly builder: string
  readonly source?: string | undefined
  readonly subject?: string | undefined
  readonly ref?: string | undefined
  readonly slsaLevel?: SlsaLevel | undefined
}

/** Which builds may be which service. */
export interface AdmissionRule {
  /** How reasons name the rule: its name, else its number from 1 on. */
  readonly name: string
  readonly service: Pattern
  /** Over the builder's ID. */
  readonly builder: Pattern
  /** Over the source's URI without its revision. Absent: any source, and none. */
  readonly source?: Pattern
  /** Over the subject's name. Absent: any, and none. */
  readonly subject?: Pattern
  /** Over the source's revision. Absent: any, and none. */
  readonly ref?: Pattern
  /** The least SLSA build level. Absent: any. */
  readonly slsaLevel?: SlsaLevel
}

/** What a rule can fail on, in the order in which it is asked. */
export type AdmissionCriterion = 'service' | 'builder' | 'source' | 'subject' | 'ref' | 'slsaLevel'

/** Whether a build may be a service, and by which rule. */
export type AdmissionDecision =
  | { readonly admitted: true; readonly rule: string; readonly reason: string }
  | {
      readonly admitted: false
      /** The rule that came nearest; absent where no rule is for this service at all. */
      readonly rule?: string
      /** What that rule failed on; `service` where no rule is for this service at all. */
      readonly criterion: AdmissionCriterion
      /** For people: names the rule and what it asked for. */
      readonly reason: string
    }

/**
 * Compiles admission rules.
 *
 * @throws {AttestationError} `QIP_ATTESTATION_RULE_MALFORMED` for a pattern that is none, or more than 10,000 rules.
 */
export function parseAdmissionRules(rules: readonly AdmissionRuleText[]): readonly AdmissionRule[] {
  const { rulesMax } = attestationLimits
  if (rules.length > rulesMax) {
    const details = { rule: `rule ${rulesMax + 1}`, member: '', reason: `is more than ${rulesMax} rules` }
    throw new AttestationError('QIP_ATTESTATION_RULE_MALFORMED', details)
  }
  return rules.map((text, index) => parseRule(text, `rule ${index + 1}`))
}

function parseRule(text: AdmissionRuleText, number: string): AdmissionRule {
  const name = text.name === undefined ? number : `rule \`${text.name}\``
  const pattern = (member: string, value: string): Pattern => {
    try {
      return parsePattern(value)
    } catch (cause) {
      if (!isQipError(cause)) throw cause
      const details = { rule: name, member, reason: `is ${cause.message}` }
      throw new AttestationError('QIP_ATTESTATION_RULE_MALFORMED', details, { cause })
    }
  }
  const { service, builder, source, subject, ref, slsaLevel } = text
  return {
    name,
    service: pattern('service', service),
    builder: pattern('builder', builder),
    ...(source !== undefined && { source: pattern('source', source) }),
    ...(subject !== undefined && { subject: pattern('subject', subject) }),
    ...(ref !== undefined && { ref: pattern('ref', ref) }),
    ...(slsaLevel !== undefined && { slsaLevel }),
  }
}

/**
 * Decides whether a build may be `service`: by the first rule that holds. Without such a rule it may not, and the reason names
 * the rule that came nearest.
 */
export function decideAdmission(
  rules: readonly AdmissionRule[],
  service: ServiceId,
  facts: BuildFacts,
): AdmissionDecision {
  let best: { rule: AdmissionRule; criterion: Exclude<AdmissionCriterion, 'service'> } | undefined
  for (const rule of rules) {
    if (!rule.service.matches(service)) continue
    const criterion = firstMissed(rule, facts)
    if (criterion === undefined) return { admitted: true, rule: rule.name, reason: `${rule.name} admits it` }
    if (best === undefined || order.indexOf(criterion) > order.indexOf(best.criterion))
      best = { rule, criterion }
  }
  if (best === undefined) return { admitted: false, criterion: 'service', reason: noRule(rules, service) }
  const { rule, criterion } = best
  return { admitted: false, rule: rule.name, criterion, reason: missed(rule, criterion, facts) }
}

const order = ['builder', 'source', 'subject', 'ref', 'slsaLevel'] as const
type Asked = (typeof order)[number]

function firstMissed(rule: AdmissionRule, facts: BuildFacts): Asked | undefined {
  return order.find((criterion) => {
    if (criterion === 'slsaLevel') return facts.slsaLevel < (rule.slsaLevel ?? 0)
    const pattern = rule[criterion]
    if (pattern === undefined) return false
    const value = factOf(criterion, facts)
    return value === undefined || !pattern.matches(value)
  })
}

function factOf(
  criterion: Exclude<Asked, 'slsaLevel'>,
  { builder, source, subject }: BuildFacts,
): string | undefined {
  switch (criterion) {
    case 'builder':
      return builder
    case 'source':
      return source?.uri
    case 'subject':
      return subject
    case 'ref':
      return source?.ref
  }
}

const words: Readonly<Record<Asked, string>> = {
  builder: 'builder',
  source: 'source',
  subject: 'subject name',
  ref: 'source revision',
  slsaLevel: 'SLSA build level',
}

function missed(rule: AdmissionRule, criterion: Asked, facts: BuildFacts): string {
  const asked = criterion === 'slsaLevel' ? `${rule.slsaLevel ?? 0}` : (rule[criterion]?.text ?? '')
  const found = criterion === 'slsaLevel' ? `${facts.slsaLevel}` : factOf(criterion, facts)
  const has =
    found === undefined ? `the build names no ${words[criterion]}` : `the build has \`${short(found)}\``
  return `${rule.name} asks for ${words[criterion]} \`${asked}\`, ${has}`
}

function noRule(rules: readonly AdmissionRule[], service: ServiceId): string {
  const similar = nearest(
    service,
    rules.map((rule) => rule.service.text),
  )
  const hint = similar === undefined ? '' : `; the nearest is for \`${similar}\``
  return `no rule is for service \`${service}\`${hint}`
}

function short(text: string): string {
  return text.length > 256 ? `${text.slice(0, 256)}…` : text
}
