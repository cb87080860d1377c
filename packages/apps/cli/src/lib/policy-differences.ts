import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader } from '@quantum-ip/client'
import { type Output, tone } from './output.ts'
import { plural } from './plural.ts'

const differencesMax = 1_000
const shownMax = 20

/** Shows whose requests a policy under watch decides otherwise, by which rule. */
export function showDifferences(
  output: Output,
  policy: JsonObject,
  of: 'counts' | 'lastStep' = 'counts',
): void {
  const counts = new AnswerReader(policy, 'a policy').object(of)
  const differences = counts.objects('differences', differencesMax)
  if (differences.length === 0) return
  const callers = new Set(differences.map((difference) => difference.text('caller')))
  output.line(
    tone('warn', plural(callers.size, 'caller', 'callers')),
    'would be treated otherwise; of',
    plural(counts.integer('requests'), 'request', 'requests'),
    'of verified callers',
    `${counts.integer('rejected')} rejected, ${counts.integer('errors')} errors`,
  )
  output.table(
    ['caller', 'rule', 'now', 'then', 'requests', 'newest decision'],
    differences
      .slice(0, shownMax)
      .map((difference) => [
        difference.text('caller'),
        difference.text('rule'),
        difference.text('from'),
        tone(difference.text('to') === 'allow' ? 'good' : 'bad', difference.text('to')),
        String(difference.integer('count')),
        tone('dim', difference.optionalText('decision') ?? ''),
      ]),
  )
  if (differences.length > shownMax) output.line(tone('dim', `  and ${differences.length - shownMax} more`))
}
