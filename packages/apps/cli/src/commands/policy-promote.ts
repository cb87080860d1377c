import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson, type Requester } from '@quantum-ip/client'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, newCommand } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { showDifferences } from '../lib/policy-differences.ts'
import { activeText, fetchPolicy, readRollout } from '../lib/policy-view.ts'
import { promotionLines, type PromotionView, readPromotions, stepText } from '../lib/promotion-view.ts'
import { parseShare } from '../lib/shares.ts'
import { parseSpan } from '../lib/times.ts'

interface PromoteOptions extends AuthorityOptions {
  readonly to: string
  readonly steps: string
  readonly soak: string
  readonly budget: string
  readonly minRequests: string
  readonly wait: string
}

interface RollbackOptions extends AuthorityOptions {
  readonly reason: string
  readonly version?: string
  readonly candidate?: boolean
}

/** `qip policy promote`: brings a policy into force step by step, and back by itself past its error budget. */
export function promoteCommand(run: Run): Command {
  const command = newCommand(
    'promote',
    'bring a policy into force step by step; past its error budget it goes back by itself (exit code 1)',
  )
    .argument('<name>', 'the policy: its candidate, or the version in force where it is not enforced yet')
    .option('--to <mode>', 'enforce, or canary:5% to stay at that share', 'enforce')
    .option(
      '--steps <shares>',
      'for which share of the callers it is carried out, step by step',
      '5%,25%,100%',
    )
    .option('--soak <duration>', 'how long each step lasts at least', '5m')
    .option(
      '--budget <share>',
      'the share of requests of verified callers that it may reject, or fail on, beyond what is done without it',
      '0.5%',
    )
    .option('--min-requests <n>', 'so many requests of a step must be counted before it says anything', '50')
    .option('--wait <duration>', 'how long to watch; the promotion goes on without', '1h')
    .option('--json', 'answer with JSON, one object a line: what changes, then all of the policy')
  return withAuthority(command).action((name: string, options: PromoteOptions) => {
    return answer(run, options, async (output): Promise<Outcome> => {
      const waitMs = parseSpan(options.wait)
      const json = orderOf(options)
      await using asked = await askAuthority(options)
      const target = `/v1/policies/${encodeURIComponent(name)}/promotions`
      await requestJson(asked.requester, { operation: 'the promotion', method: 'POST', target, json })
      return tell(output, await watch(output, asked.requester, { name, waitMs }))
    })
  })
}

function orderOf({ to, steps, soak, budget, minRequests }: PromoteOptions): JsonObject {
  const end = /^canary:(.+)$/.exec(to)?.[1]
  if (end === undefined && to !== 'enforce') {
    throw new CliError('QIP_CLI_USAGE', {
      reason: `\`${to.slice(0, 32)}\` is no mode`,
      next: 'enforce, or canary:5%',
    })
  }
  const last = end === undefined ? wholeShare : parseShare(end)
  const shares = steps.split(',').map((share) => parseShare(share.trim()))
  const requestsMin = Number(minRequests)
  if (!Number.isSafeInteger(requestsMin) || requestsMin < 0)
    throw new CliError('QIP_CLI_USAGE', {
      reason: '--min-requests is no number',
      next: 'write for example 50',
    })
  return {
    shares: [...shares.filter((share) => share < last), last],
    enforces: end === undefined,
    soakMs: parseSpan(soak),
    budget: budget === '0%' ? 0 : parseShare(budget),
    requestsMin,
  }
}

/** All callers, in hundredths of a percent. */
const wholeShare = 10_000
const pollMs = 500

interface Watching {
  readonly name: string
  readonly waitMs: number
}

interface Promoted {
  readonly json: JsonObject
  readonly promotion: PromotionView
}

/** Shows what is counted until the promotion has ended, or the time is over. */
async function watch(output: Output, requester: Requester, { name, waitMs }: Watching): Promise<Promoted> {
  const untilMs = performance.now() + waitMs
  let told = ''
  try {
    for (;;) {
      const json = await fetchPolicy(requester, name)
      const promotion = readPromotions(json)[0] as PromotionView
      const now = `${promotion.number} ${promotion.step} ${promotion.phase}`
      if (now !== told) tellStep(output, promotion)
      told = now
      if (promotion.phase === 'ended' || performance.now() >= untilMs) return { json, promotion }
      output.live(promotionLines(json, promotion, Date.now()))
      await sleep(pollMs)
    }
  } finally {
    output.liveDone()
  }
}

function tellStep(output: Output, promotion: PromotionView): void {
  const { number, name, step, phase, share } = promotion
  output.event({ event: 'step', promotion: number, policy: name, step, share, phase })
  if (!output.json && !output.isLive && phase === 'running') output.line(stepText(promotion))
}

function tell(output: Output, { json, promotion }: Promoted): Outcome {
  const { name, version, outcome, detail } = promotion
  output.show(json, () => {
    const what = `${name} version ${version}`
    if (outcome === 'completed') {
      output.line(tone('good', 'promoted'), `${what}: ${detail}`)
    } else if (outcome === 'rolled-back') {
      output.line(tone('bad', 'rolled back'), `${what}: ${detail}`)
      showDifferences(output, json, 'lastStep')
      output.line(
        '  next:',
        `qip policy status ${name} shows what is in force; correct the policy and publish it anew`,
      )
    } else {
      output.line(tone('warn', 'goes on'), `${what}: ${stepText(promotion)}`)
      output.line('  next:', `qip policy status ${name}; qip policy rollback ${name} takes it back`)
    }
  })
  return outcome === 'completed' ? 'ok' : 'no'
}

/** `qip policy rollback`: takes back what is in force. */
export function rollbackCommand(run: Run): Command {
  const command = newAnswer(
    'rollback',
    'take a policy back: a promotion that runs, else what is in force for what was before; a new record says so',
  )
    .argument('<name>', 'the policy')
    .option('--reason <text>', 'why, for people', 'asked for')
    .option('--version <number>', 'the version to return to')
    .option('--candidate', 'take only the candidate out; what is in force stays')
  return withAuthority(command).action((name: string, options: RollbackOptions) => {
    return answer(run, options, async (output) => {
      const { reason, version, candidate = false } = options
      await using asked = await askAuthority(options)
      const json = (await requestJson(asked.requester, {
        operation: 'the rollback',
        method: 'POST',
        target: `/v1/policies/${encodeURIComponent(name)}/rollback`,
        json: {
          reason,
          candidateOnly: candidate,
          ...(version !== undefined && { version: Number(version) }),
        },
      })) as JsonObject
      const { active } = readRollout(new AnswerReader(json, 'a rollout').object('rollout'))
      output.show(json, () => {
        output.line(tone('good', 'ok'), `${name}: ${activeText(active)} is in force`)
        output.line('  next:', `qip policy status ${name} shows who holds it`)
      })
    })
  })
}
