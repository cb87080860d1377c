import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader } from '@quantum-ip/client'
import type { Outcome } from '../exit-codes.ts'
import { type Cell, type Output, tone } from './output.ts'
import { activeText, candidateText, readRollout, type RolloutView } from './policy-view.ts'
import { showDifferences } from './policy-differences.ts'
import { readPromotions, stepText } from './promotion-view.ts'
import { formatSpan, formatTime } from './times.ts'

const membersMax = 100_000

/** Shows how a policy stands. @returns `no` while a member holds something else than what is in force */
export function showPolicyStatus(output: Output, json: JsonObject): Outcome {
  const whole = new AnswerReader(json, 'a policy')
  const rollout = readRollout(whole.object('rollout'))
  const members = whole.objects('members', membersMax)
  const drifts = members.filter((member) => member.object('holds').integer('rollout') !== rollout.number)
  output.show(json, () => {
    output.line(tone('strong', rollout.policy), activeText(rollout.active))
    output.facts([
      ['rollout', String(rollout.number)],
      ['since', `${formatTime(rollout.timeMs)}, ${rollout.action} by ${rollout.by}`],
      rollout.candidate && ['candidate', candidateText(rollout.candidate)],
    ])
    const [promotion] = readPromotions(json)
    if (promotion?.phase === 'running') output.line(tone('accent', 'promotion'), stepText(promotion))
    showMembers(output, rollout, members)
    showDifferences(output, json)
  })
  return drifts.length === 0 ? 'ok' : 'no'
}

function showMembers(output: Output, rollout: RolloutView, members: readonly AnswerReader[]): void {
  if (members.length === 0) {
    output.line('  no member follows it')
    output.line('  next:', 'name it under `policies.authority` of a gateway, and as the `policy` of a route')
    return
  }
  const nowMs = Date.now()
  output.table(
    ['point', 'region', 'version', 'candidate', '', 'last heard'],
    members.map((member) => {
      const holds = member.object('holds')
      return [
        member.text('point'),
        member.optionalText('region') ?? '',
        String(holds.integer('version')),
        holds.has('candidate') ? String(holds.integer('candidate')) : '',
        standing(holds, rollout),
        `${formatSpan(nowMs - member.integer('seenMs'))} ago`,
      ]
    }),
  )
}

function standing(holds: AnswerReader, { number }: RolloutView): Cell {
  const held = holds.integer('rollout')
  if (held === number) return tone('good', 'as rolled out')
  const refused = holds.has('refused') ? holds.object('refused') : undefined
  if (refused?.integer('rollout') === number) return tone('bad', `refuses it: ${refused.text('reason')}`)
  return tone('warn', held === 0 ? 'drift: has none yet' : `drift: still rollout ${held}`)
}
