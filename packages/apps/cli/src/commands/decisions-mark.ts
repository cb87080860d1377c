import { requestObject } from '@quantum-ip/client'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'

interface MarkOptions extends AuthorityOptions {
  readonly falsePositive?: boolean
  readonly confirmed?: boolean
  readonly note: string
}

/** `qip decisions mark`: says whether a rejection was right (M10). */
export function decisionsMarkCommand(run: Run): Command {
  const command = newAnswer('mark', 'say that a rejection was wrong, or right; the last word counts')
    .argument('<decision>', 'the decision ID')
    .option('--false-positive', 'it was wrong: a legitimate request')
    .option('--confirmed', 'it was right')
    .requiredOption('--note <text>', 'why, for those who read it later')
  return withAuthority(command).action((id: string, options: MarkOptions) =>
    answer(run, options, (output) => mark(output, id, options)),
  )
}

async function mark(output: Output, id: string, options: MarkOptions): Promise<void> {
  const { falsePositive = false, confirmed = false, note } = options
  if (falsePositive === confirmed)
    throw new CliError('QIP_CLI_USAGE', {
      reason: 'it is either right or wrong',
      next: 'give one of --false-positive and --confirmed',
    })
  await using asked = await askAuthority(options)
  const verdict = falsePositive ? 'false_positive' : 'confirmed'
  const said = await requestObject(asked.requester, {
    operation: 'an adjudication',
    method: 'POST',
    target: `/v1/decisions/${encodeURIComponent(id)}/adjudication`,
    json: { verdict, note },
  })
  const json = {
    decision: id,
    verdict,
    note,
    operator: said.text('operator'),
    timeMs: said.integer('timeMs'),
  }
  output.show(json, () =>
    output.line(
      falsePositive ? tone('warn', 'false positive') : tone('good', 'confirmed'),
      id,
      tone('dim', `by ${json.operator}`),
    ),
  )
}
