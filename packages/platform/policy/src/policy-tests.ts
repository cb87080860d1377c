import type { DecisionReason } from './decision.ts'
import { decisionReasons } from './decision.ts'
import type { Action, Locate } from './document.ts'
import type { Facts } from './facts.ts'
import { readTimeS } from './lib/forms.ts'
import { readFacts } from './lib/read-fact.ts'
import { Reader, required } from './lib/reader.ts'
import { policyLimits } from './limits.ts'
import { policyApiVersion } from './parse-policy.ts'

/** What a case says of its decision; what is not there is not asked. */
export interface ExpectedDecision {
  /** What is done if the decision is carried out, whatever the policy's mode. */
  readonly action?: Action
  /** Name of the rule that decides; `null`: none does. */
  readonly rule?: string | null
  readonly reason?: DecisionReason
  /** Name of the exception that decides; `null`: none does. */
  readonly exception?: string | null
}

/** One case of a table. */
export interface PolicyTestCase {
  readonly name: string
  /** Replaces facts of a plausible request; see `sampleFacts`. */
  readonly facts: Partial<Facts>
  readonly expect: ExpectedDecision
}

/** A table of cases. */
export interface PolicyTests {
  /** The policy's file, as written; `null`: the one beside. */
  readonly policy: string | null
  readonly cases: readonly PolicyTestCase[]
}

const actions = ['allow', 'reject', 'quarantine'] as const

/**
 * Parses a table of cases: an already-read value, as YAML or JSON gives it. Strict like a policy.
 *
 * @throws {PolicyError} `QIP_POLICY_KEY_UNKNOWN`, `QIP_POLICY_KEY_MISSING`, `QIP_POLICY_VALUE_INVALID`, `QIP_POLICY_LIMIT_EXCEEDED`
 */
export function parsePolicyTests(value: unknown, options: { readonly locate?: Locate } = {}): PolicyTests {
  const reader = new Reader(value, '', options.locate)
  const members = reader.object(['apiVersion', 'kind', 'policy', 'cases'])
  const need = (key: string, example: string): Reader => required(members, { of: reader, key, example })
  need('apiVersion', `apiVersion: ${policyApiVersion}`).oneOf([policyApiVersion])
  need('kind', 'kind: PolicyTests').oneOf(['PolicyTests'])
  const cases = need('cases', 'cases: [{ name: …, facts: { build: null }, expect: reject }]')
  return {
    policy: members.get('policy')?.text('the path of a policy', 1_024) ?? null,
    cases: readCases(cases),
  }
}

function readCases(reader: Reader): readonly PolicyTestCase[] {
  const names = new Set<string>()
  return reader.list('cases', policyLimits.testCasesMax).map((item) => {
    const found = readCase(item)
    if (names.has(found.name))
      throw item.invalid(`a name that no other case has, not \`${found.name}\` again`)
    names.add(found.name)
    return found
  })
}

function readCase(reader: Reader): PolicyTestCase {
  const members = reader.object(['name', 'facts', 'at', 'expect'])
  const need = (key: string, example: string): Reader => required(members, { of: reader, key, example })
  const at = members.get('at')
  const facts = readFacts(members.get('facts'))
  return {
    name: need('name', 'name: callers without a token are refused').text('a sentence', 200),
    facts: at === undefined ? facts : { ...facts, 'env.timeS': readTimeS(at) },
    expect: readExpected(need('expect', 'expect: reject')),
  }
}

function readExpected(reader: Reader): ExpectedDecision {
  if (typeof reader.value === 'string') return { action: reader.oneOf(actions) }
  const members = reader.object(['action', 'rule', 'reason', 'exception'])
  if (members.size === 0)
    throw reader.invalid('an action, or at least one of `action`, `rule`, `reason`, `exception`')
  const action = members.get('action')
  const reason = members.get('reason')
  const rule = members.get('rule')
  const exception = members.get('exception')
  return {
    ...(action !== undefined && { action: action.oneOf(actions) }),
    ...(reason !== undefined && { reason: reason.oneOf(decisionReasons) }),
    ...(rule !== undefined && { rule: nameOrNull(rule) }),
    ...(exception !== undefined && { exception: nameOrNull(exception) }),
  }
}

function nameOrNull(reader: Reader): string | null {
  return reader.value === null ? null : reader.text('a name, or null for none', policyLimits.nameCharsMax)
}
