import { AnswerReader, type JsonRequest, requestJson } from '@quantum-ip/client'
import type { JsonObject } from '@quantum-ip/base'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer, newCommand } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { numberOf } from '../lib/number-of.ts'
import { textOf } from '../lib/text-of.ts'
import { formatMoment, parseSpan } from '../lib/times.ts'

interface RaiseOptions extends AuthorityOptions {
  readonly reason: string
  readonly for?: string
}

/** `qip sampling show|raise|lower`: how many requests get a deep check before they are answered, in the whole fleet. */
export function samplingCommand(run: Run): Command {
  const show = newAnswer('show', 'show what is raised at the moment, and why')
  const raise = newAnswer(
    'raise',
    'check at least this share of requests, where they are sampled or deferred',
  )
    .argument('<share>', 'of requests, 1% to 100%')
    .requiredOption('--reason <text>', 'why, for those who read it later')
    .option('--for <duration>', 'how long (default: until it is lowered)')
  const lower = newAnswer(
    'lower',
    'take back what was raised; an open incident or security event still counts',
  )
  withAuthority(show).action((options: AuthorityOptions) =>
    answer(run, options, (output) => tell(output, options, { method: 'GET' })),
  )
  withAuthority(raise).action((share: string, options: RaiseOptions) =>
    answer(run, options, (output) => {
      const seconds = options.for === undefined ? {} : { seconds: Math.ceil(parseSpan(options.for) / 1_000) }
      const json = { percent: percentOf(share), reason: options.reason, ...seconds }
      return tell(output, options, { method: 'PUT', json })
    }),
  )
  withAuthority(lower).action((options: AuthorityOptions) =>
    answer(run, options, (output) => tell(output, options, { method: 'DELETE' })),
  )
  return newCommand('sampling', 'show, raise or lower the share of deep checks in the fleet')
    .addCommand(show)
    .addCommand(raise)
    .addCommand(lower)
}

function percentOf(text: string): number {
  const percent = /^(\d{1,3})%$/.exec(text)?.[1]
  if (percent !== undefined && Number(percent) >= 1 && Number(percent) <= 100) return Number(percent)
  throw new CliError('QIP_CLI_USAGE', {
    reason: `\`${text.slice(0, 32)}\` is no share from 1% to 100%`,
    next: 'write whole percents: `qip sampling raise 50% --reason …`',
  })
}

async function tell(
  output: Output,
  options: AuthorityOptions,
  request: Pick<JsonRequest, 'method' | 'json'>,
): Promise<void> {
  await using asked = await askAuthority(options)
  const operation = 'the sampling'
  const json = (await requestJson(asked.requester, {
    operation,
    target: '/v1/sampling',
    ...request,
  })) as JsonObject
  output.show(json, () => showState(output, new AnswerReader(json, operation)))
}

function showState(output: Output, state: AnswerReader): void {
  const [event, incident] = [numberOf(state, 'event'), numberOf(state, 'openIncident')]
  const [percent, untilMs] = [state.integer('percent'), state.integer('untilMs')]
  if (percent === 0 && event === undefined && incident === undefined) {
    output.line('as configured', tone('dim', 'nothing is raised'))
    return
  }
  const share = percent === 0 ? '`attestations.incidentSampling`' : `at least ${percent} %`
  output.line(
    tone('warn', share),
    'of requests get a deep check before they are answered, where they are sampled or deferred',
  )
  const until = untilMs === 0 ? 'it is lowered' : formatMoment(untilMs, Date.now())
  output.facts([
    ...(percent === 0
      ? []
      : ([
          ['raised by', textOf(state, 'by')],
          ['because', textOf(state, 'reason')],
          ['until', until],
        ] as const)),
    ...(incident === undefined
      ? []
      : ([['open incident', `${incident}: qip incident show ${incident}`]] as const)),
    ...(event === undefined ? [] : ([['open event', `${event}: qip events show ${event}`]] as const)),
  ])
}
