import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader, requestJson } from '@quantum-ip/client'
import type { Command } from 'commander'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import {
  decisionFilterQuery,
  type DecisionFilterOptions,
  withDecisionFilter,
} from '../lib/decision-filter.ts'
import type { Run } from '../lib/io.ts'
import { type Cell, type Output, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { textOf } from '../lib/text-of.ts'
import { formatTime } from '../lib/times.ts'

interface DecisionsOptions extends AuthorityOptions, DecisionFilterOptions {
  readonly limit: string
}

const limitMax = 1_000

/** `qip decisions`: the decisions that the fleet reported to the authority. */
export function decisionsCommand(run: Run): Command {
  const command = newAnswer(
    'decisions',
    'list decisions that enforcement points reported, the newest first',
  ).option('--limit <n>', `at most so many, up to ${limitMax}`, '100')
  return withAuthority(withDecisionFilter(command)).action((options: DecisionsOptions) => {
    return answer(run, options, (output) => listDecisions(output, options))
  })
}

async function listDecisions(output: Output, options: DecisionsOptions): Promise<void> {
  await using asked = await askAuthority(options)
  const query = new URLSearchParams({
    limit: options.limit,
    ...(await decisionFilterQuery(asked.requester, options)),
  })
  const operation = 'the decisions'
  const target = `/v1/decisions?${query.toString()}`
  const json = (await requestJson(asked.requester, { operation, method: 'GET', target })) as JsonObject
  const decisions = new AnswerReader(json, operation).objects('decisions', limitMax)
  output.show(json, () => {
    output.table(
      ['time', 'decision', 'reason', 'action', 'service', 'caller'],
      decisions.map((decision) => row(decision)),
    )
    output.line(tone('dim', plural(decisions.length, 'decision', 'decisions')))
  })
}

function row(decision: AnswerReader): readonly Cell[] {
  const caller = ['subject', 'claimedSubject'].map((name) => textOf(decision, name)).find((id) => id !== '')
  return [
    formatTime(decision.integer('timeMs')),
    decision.text('id'),
    decision.text('reason'),
    textOf(decision, 'action'),
    textOf(decision, 'service'),
    caller ?? '',
  ]
}
