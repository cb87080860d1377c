import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson } from '@quantum-ip/client'
import type { Command } from 'commander'
import type { Outcome } from '../exit-codes.ts'
import { askAuthority, type AskedAuthority } from '../lib/authority.ts'
import {
  type AuthorityOptions,
  type TrustOptions,
  withAuthority,
  withTrust,
} from '../lib/authority-options.ts'
import { type AuthorityTrust, readAuthorityTrust } from '../lib/authority-trust.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { showPolicyStatus } from '../lib/policy-status.ts'
import {
  activeText,
  candidateText,
  fetchPolicy,
  fetchVersion,
  readRollout,
  type RolloutView,
} from '../lib/policy-view.ts'
import { formatTime } from '../lib/times.ts'
import { type VerifiedHistory, verifyPolicyHistory } from '../lib/verify-policy-history.ts'

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

interface HistoryOptions extends TrustOptions {
  readonly verify?: boolean
}

/** `qip policy history`: what was in force when. */
export function historyCommand(run: Run): Command {
  const command = newAnswer('history', 'show what of a policy was in force when, and who did what')
    .argument('<name>', 'the policy')
    .option(
      '--verify',
      'verify it from the root keys on: the signed state, the chain of rollouts, the texts; exit code 1 if it does not hold',
    )
  return withTrust(command).action((name: string, options: HistoryOptions) => {
    return answer(run, options, async (output): Promise<Outcome> => {
      await using asked = await askAuthority(options)
      const { requester } = asked
      const json = await fetchPolicy(requester, name)
      const history = new AnswerReader(json, 'a policy').objects('history', policiesMax)
      const rows = history.map((row) => readRollout(row))
      const verified = options.verify === true ? await verifyRows({ asked, options, name, rows }) : undefined
      const shown = verified && {
        rollouts: verified.rollouts,
        versions: verified.versions,
        unsigned: verified.unsigned,
      }
      const fault = verified?.fault
      output.show(
        {
          history: json['history'] ?? [],
          ...(shown !== undefined && { verified: { ...shown, pinned: verified?.pinned ?? '' } }),
          ...(fault !== undefined && { fault }),
        },
        () => {
          showHistory(output, rows)
          if (verified !== undefined) tellVerified(output, verified)
        },
      )
      return fault === undefined ? 'ok' : 'no'
    })
  })
}

function showHistory(output: Output, rows: readonly RolloutView[]): void {
  output.table(
    ['rollout', 'time', 'what', 'in force', 'candidate', 'by', ''],
    rows.map(({ number, timeMs, action, active, candidate, by, reason }) => {
      const beside = candidate === undefined ? '' : candidateText(candidate)
      const at = formatTime(timeMs)
      return [String(number), at, action, activeText(active), beside, by, tone('dim', reason)]
    }),
  )
}

type Verified = VerifiedHistory & Pick<AuthorityTrust, 'pinned'>

async function verifyRows({
  asked,
  options,
  name,
  rows,
}: {
  readonly asked: AskedAuthority
  readonly options: TrustOptions
  readonly name: string
  readonly rows: readonly RolloutView[]
}): Promise<Verified> {
  const { store, pinned } = await readAuthorityTrust(asked, options, Date.now())
  const subject = { requester: asked.requester, store, name }
  const numbers = rows.map(({ number }) => number)
  return { ...(await verifyPolicyHistory(subject, numbers)), pinned }
}

function tellVerified(output: Output, { fault, rollouts, versions, unsigned, pinned }: Verified): void {
  if (fault !== undefined) {
    output.line(tone('bad', 'not verified'), fault)
    output.line(
      '  next:',
      'compare with what a gateway holds, and with `qip backup`: somebody changed the store',
    )
    return
  }
  const old = unsigned === 0 ? '' : `; ${unsigned} by keys that do not count any more, held by the chain`
  output.line(
    tone('good', 'verified'),
    `${rollouts} rollouts and ${versions} texts, one chain from the signed state${old}; root keys: ${pinned}`,
  )
}
