import type { Command } from 'commander'
import { withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import type { ExplainOptions } from '../lib/find-decision.ts'

/** `qip explain`: why a request was decided as it was. */
export function explainCommand(run: Run): Command {
  const command = newAnswer(
    'explain',
    'say why a request was decided as it was, and what would have changed it',
  )
    .argument('<decision>', 'the decision ID of a refusal, a span or a record')
    .option(
      '--point <address>',
      "the operators' address of the enforcement point, unix:/path (default: by the configuration)",
    )
    .option(
      '--policy <file>',
      'the policy that decided, to explain a decision that its enforcement point has forgotten',
    )
  return withAuthority(command).action((id: string, options: ExplainOptions) => {
    return answer(run, options, async (output) => {
      const { findDecision } = await import('../lib/find-decision.ts')
      const { showDecision } = await import('../lib/show-decision.ts')
      const found = await findDecision(id, options)
      const { adjudicationsOf } = await import('../lib/adjudications.ts')
      showDecision(output, found, await adjudicationsOf(id, options))
    })
  })
}
