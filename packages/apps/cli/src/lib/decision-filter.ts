import { nearest } from '@quantum-ip/base'
import type { Requester } from '@quantum-ip/client'
import { reasons, statuses } from '@quantum-ip/verifier'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { originOf } from './log-origin.ts'
import { parseSince } from './times.ts'

/** What decisions are chosen by. All that is given must hold. */
export interface DecisionFilterOptions {
  readonly since?: string
  readonly until?: string
  readonly reason?: readonly string[]
  readonly status?: string
  readonly action?: string
  readonly service?: string
  readonly subject?: string
  readonly build?: string
  readonly log?: string
  readonly token?: string
  readonly unlogged?: boolean
  readonly attestation?: string
  readonly enforcementPoint?: string
  readonly policy?: string
  readonly rule?: string
  readonly trace?: string
}

/** Adds the options that choose decisions. */
export function withDecisionFilter(command: Command): Command {
  return command
    .option('--since <time>', 'only from then on: a time, or how long ago, such as 1h')
    .option('--until <time>', 'only before then')
    .option('--reason <reason...>', 'only with one of these reasons of the verdict')
    .option('--status <status>', 'only with this status of the verdict')
    .option('--action <action>', 'only where this was done: allow, reject, quarantine')
    .option('--service <id>', 'only of this service')
    .option('--subject <id>', 'only of this caller, proven')
    .option('--build <sha256>', 'only of callers that run this build')
    .option('--log <name>', 'only about tokens of this log, tokens/1')
    .option('--token <log/index>', 'only about this token, tokens/1/42')
    .option('--unlogged', 'only those that relied on a head which is in no log')
    .option('--attestation <log/index>', 'only those that rest on this attestation, attestations/1/7')
    .option('--enforcement-point <name>', 'only of this enforcement point')
    .option('--policy <name[:version]>', 'only by this policy')
    .option('--rule <name>', 'only where this rule decided')
    .option('--trace <id>', 'only of this trace')
}

/**
 * The filter as the query of `GET /v1/decisions`.
 *
 * @throws {CliError} `QIP_CLI_USAGE`
 */
export async function decisionFilterQuery(
  requester: Requester,
  options: DecisionFilterOptions,
): Promise<Readonly<Record<string, string>>> {
  const { since, until, reason, build, log, token, unlogged = false, attestation, policy } = options
  const now = Date.now()
  const { status, action, service, subject, rule, trace, enforcementPoint: point } = options
  const [policyName, version] = policy?.split(':') ?? []
  for (const word of reason ?? []) known(word, { option: '--reason', words: reasons })
  if (status !== undefined) known(status, { option: '--status', words: statuses })
  if (action !== undefined) known(action, { option: '--action', words: ['allow', 'reject', 'quarantine'] })
  return given({
    since: since === undefined ? undefined : String(parseSince(since, now)),
    until: until === undefined ? undefined : String(parseSince(until, now)),
    reason: reason?.join(','),
    build: build?.replace(/^sha256:/, ''),
    head: unlogged ? 'unlogged' : undefined,
    policy: policyName,
    policyVersion: version,
    status,
    action,
    service,
    subject,
    rule,
    trace,
    point,
    ...(log !== undefined && { log: await originOf(requester, log) }),
    ...(token !== undefined && (await placed(requester, token, ['log', 'index']))),
    ...(attestation !== undefined &&
      (await placed(requester, attestation, ['attestationLog', 'attestationIndex']))),
  })
}

// A word that no decision can have would find nothing, and that would look like an answer.
function known(word: string, { option, words }: { option: string; words: readonly string[] }): void {
  if (words.includes(word)) return
  const near = nearest(word, words)
  throw new CliError('QIP_CLI_USAGE', {
    reason: `${option}: no decision has \`${word.slice(0, 64)}\``,
    next: near === undefined ? `docs/reference/verdicts.md lists them all` : `did you mean \`${near}\`?`,
  })
}

async function placed(
  requester: Requester,
  text: string,
  [log, index]: readonly [string, string],
): Promise<Record<string, string>> {
  const [, name, number] = /^(.{1,255})[:/](\d{1,15})$/.exec(text) ?? []
  if (name === undefined || number === undefined) {
    const reason = `\`${text.slice(0, 64)}\` names no entry of a log`
    throw new CliError('QIP_CLI_USAGE', { reason, next: 'write log and index, such as `tokens/1/42`' })
  }
  return { [log]: await originOf(requester, name), [index]: number }
}

function given(query: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
