import type { Json, JsonObject } from '@quantum-ip/base'
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
import { decisionsExportCommand } from './decisions-export.ts'
import { decisionsMarkCommand } from './decisions-mark.ts'
import { decisionsOpenCommand } from './decisions-open.ts'
import type { Run } from '../lib/io.ts'
import { type Cell, type Output, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { textOf } from '../lib/text-of.ts'
import { isObject } from '../lib/json.ts'
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
  return (
    withAuthority(withDecisionFilter(command))
      .action((options: DecisionsOptions) => answer(run, options, (output) => listDecisions(output, options)))
      // What stands behind a subcommand is for that one, though the list has options of the same names.
      .enablePositionalOptions()
      .addCommand(decisionsExportCommand(run))
      .addCommand(decisionsMarkCommand(run))
      .addCommand(decisionsOpenCommand(run))
  )
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
  const said = isObject(json['adjudications'] ?? null) ? (json['adjudications'] as JsonObject) : {}
  output.show(json, () => {
    if (decisions.length === 0) {
      output.line('no such decision')
      output.line(
        '  next:',
        'of verified and allowed ones a sample is recorded; what was refused arrives within seconds',
      )
      return
    }
    output.table(
      ['time', 'decision', 'reason', 'action', 'service', 'caller', ''],
      decisions.map((decision) => row(decision, said)),
    )
    output.line(tone('dim', plural(decisions.length, 'decision', 'decisions')))
  })
}

function row(decision: AnswerReader, said: JsonObject): readonly Cell[] {
  const caller = ['subject', 'claimedSubject'].map((name) => textOf(decision, name)).find((id) => id !== '')
  return [
    formatTime(decision.integer('timeMs')),
    decision.text('id'),
    decision.text('reason'),
    textOf(decision, 'action'),
    textOf(decision, 'service'),
    caller ?? '',
    verdictCell(said[decision.text('id')]),
  ]
}

function verdictCell(verdict: Json | undefined): Cell {
  if (verdict === 'false_positive') return tone('warn', 'false positive')
  return typeof verdict === 'string' ? verdict : ''
}
