import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson } from '@quantum-ip/client'
import type { Command } from 'commander'
import type { Outcome } from '../exit-codes.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { showPolicyStatus } from '../lib/policy-status.ts'
import { activeText, candidateText, fetchPolicy, fetchVersion, readRollout } from '../lib/policy-view.ts'
import { formatTime } from '../lib/times.ts'

interface ShowOptions extends AuthorityOptions {
  readonly version?: string
}

const policiesMax = 256

/** `qip policy list`: what is in force of each policy. */
export function listCommand(run: Run): Command {
  const command = newAnswer('list', 'show the policies of the authority, and what of each is in force')
  return withAuthority(command).action((options: AuthorityOptions) => {
    return answer(run, options, async (output) => {
      await using asked = await askAuthority(options)
      const request = { operation: 'the policies', method: 'GET', target: '/v1/policies' } as const
      showList(output, (await requestJson(asked.requester, request)) as JsonObject)
    })
  })
}

function showList(output: Output, json: JsonObject): void {
  const policies = new AnswerReader(json, 'the policies').objects('policies', policiesMax)
  output.show(json, () => {
    if (policies.length === 0) {
      output.line('the authority has no policy yet')
      output.line('  next:', 'qip policy publish <file>')
      return
    }
    output.table(
      ['policy', 'in force', 'candidate', 'since', 'by'],
      policies.map((policy) => {
        const { active, candidate, timeMs, by, ...rollout } = readRollout(policy)
        const beside = candidate === undefined ? '' : candidateText(candidate)
        return [rollout.policy, activeText(active), beside, formatTime(timeMs), by]
      }),
    )
  })
}

/** `qip policy show`: the text of a version. */
export function showCommand(run: Run): Command {
  const command = newAnswer('show', 'print a version of a policy, as its author wrote it')
    .argument('<name>', 'the policy')
    .option('--version <number>', 'which one (default: the one in force)')
  return withAuthority(command).action((name: string, options: ShowOptions) => {
    return answer(run, options, async (output) => {
      await using asked = await askAuthority(options)
      const { requester } = asked
      const version =
        options.version === undefined
          ? readRollout(new AnswerReader(await fetchPolicy(requester, name), 'a policy').object('rollout'))
              .active.version
          : Number(options.version)
      const { text, author, comment, timeMs } = await fetchVersion(requester, name, version)
      output.show({ name, version, author, comment, timeMs, text }, () => output.line(text.trimEnd()))
    })
  })
}

/** `qip policy status`: who holds which version of a policy. */
export function statusCommand(run: Run): Command {
  const command = newAnswer(
    'status',
    'show what of a policy is in force, which member holds what, and what its candidate would change',
  ).argument('<name>', 'the policy')
  return withAuthority(command).action((name: string, options: AuthorityOptions) => {
    return answer(run, options, async (output): Promise<Outcome> => {
      await using asked = await askAuthority(options)
      const json = await fetchPolicy(asked.requester, name)
      return showPolicyStatus(output, json)
    })
  })
}

/** `qip policy history`: what was in force when. */
export function historyCommand(run: Run): Command {
  const command = newAnswer('history', 'show what of a policy was in force when, and who did what').argument(
    '<name>',
    'the policy',
  )
  return withAuthority(command).action((name: string, options: AuthorityOptions) => {
    return answer(run, options, async (output) => {
      await using asked = await askAuthority(options)
      const json = await fetchPolicy(asked.requester, name)
      const history = new AnswerReader(json, 'a policy').objects('history', policiesMax)
      output.show({ history: json['history'] ?? [] }, () => {
        output.table(
          ['rollout', 'time', 'what', 'in force', 'candidate', 'by', ''],
          history.map((row) => {
            const { number, timeMs, action, active, candidate, by, reason } = readRollout(row)
            const beside = candidate === undefined ? '' : candidateText(candidate)
            return [
              String(number),
              formatTime(timeMs),
              action,
              activeText(active),
              beside,
              by,
              tone('dim', reason),
            ]
          }),
        )
      })
    })
  })
}
