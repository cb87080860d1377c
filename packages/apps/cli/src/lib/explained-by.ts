import { isQipError, type Json, type JsonObject } from '@quantum-ip/base'
import { readYaml } from '@quantum-ip/http'
import { type CompiledPolicy, compileReadPolicy, type FactName, type Facts } from '@quantum-ip/policy'
import { type DecisionRecord, factsOfRecord } from '@quantum-ip/telemetry'
import { CliError } from '../cli-errors.ts'
import { askAuthority } from './authority.ts'
import type { AuthorityOptions } from './authority-options.ts'
import { explainFacts } from './explain-facts.ts'
import { isObject } from './json.ts'
import { readPolicyFile } from './policy-file.ts'
import { fetchVersion } from './policy-view.ts'

/** A decision that nobody explained yet. */
export interface UnexplainedDecision {
  readonly record: JsonObject
  /** All that the policy saw, where the enforcement point still has it. */
  readonly facts: JsonObject | undefined
}

/** What became of the rules and exceptions of the policy that decided, and what would have changed it. */
export interface Explanation {
  readonly rules: readonly JsonObject[]
  readonly exceptions: readonly JsonObject[]
  readonly changes: readonly JsonObject[]
}

/**
 * Explains a decision by the policy that decided: a file that is named, else the version as the authority published it. Without
 * either, or where a condition reads what the record does not have, nothing.
 *
 * @throws {CliError} `QIP_CLI_USAGE` for a file of another policy or version than the one that decided.
 */
export async function explainedBy(
  { record, facts: seen }: UnexplainedDecision,
  options: AuthorityOptions & { readonly policy?: string },
): Promise<Partial<Explanation>> {
  const policy =
    options.policy === undefined
      ? await publishedPolicy(record, options)
      : await policyOfFile(record, options.policy)
  if (policy === undefined) return {}
  const kept = factsOfRecord(record as unknown as DecisionRecord)
  const facts: Facts = seen === undefined ? kept.facts : (seen as unknown as Facts)
  const missing = seen === undefined ? kept.missing : []
  if (missing.some((fact) => readsFact(policy, fact))) return {}
  const { rules, exceptions, changes } = explainFacts(policy, facts)
  return { rules: objects(rules), exceptions: objects(exceptions), changes: objects(changes) }
}

async function policyOfFile(record: JsonObject, file: string): Promise<CompiledPolicy> {
  const policy = await readPolicyFile(file)
  const { name, version } = policy.identity
  const by = record['policy'] ?? null
  if (!isObject(by) || by['name'] !== name || by['version'] !== version) {
    const decided = isObject(by)
      ? `${JSON.stringify(by['name'])} version ${JSON.stringify(by['version'])}`
      : 'another'
    throw new CliError('QIP_CLI_USAGE', {
      reason: `\`${file}\` is policy ${name} version ${version}; the decision was made by ${decided}`,
      next: 'give the file as it was then; `qip policy replay` asks what another policy would do',
    })
  }
  return policy
}

// A policy may come from a file of the gateway, or be built in; and the authority may be away. The decision is told all the same.
async function publishedPolicy(
  { policy }: JsonObject,
  options: AuthorityOptions,
): Promise<CompiledPolicy | undefined> {
  if (policy === undefined || !isObject(policy)) return undefined
  const { name, version } = policy
  if (typeof name !== 'string' || typeof version !== 'number') return undefined
  try {
    await using asked = await askAuthority(options)
    const { text } = await fetchVersion(asked.requester, name, version)
    return compileReadPolicy(readYaml(text, { source: name }))
  } catch (error) {
    if (isQipError(error)) return undefined
    throw error
  }
}

function readsFact({ exceptions, rules }: CompiledPolicy, fact: FactName): boolean {
  return [...exceptions, ...rules].some(({ condition }) => condition?.facts.has(fact) === true)
}

function objects(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter((item) => isObject(item)) : []
}
