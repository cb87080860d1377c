import type { JsonObject } from '@quantum-ip/base'
import { AnswerReader } from '@quantum-ip/client'
import { type Cell, tone } from './output.ts'
import { formatShare } from './shares.ts'
import { formatSpan } from './times.ts'

/** A promotion as the authority tells it. */
export interface PromotionView {
  readonly number: number
  readonly name: string
  readonly version: number
  readonly phase: string
  /** From 0. */
  readonly step: number
  readonly steps: number
  /** For which it is carried out now, in hundredths of a percent. */
  readonly share: number
  readonly budget: number
  readonly soakMs: number
  readonly requestsMin: number
  readonly stepMs: number
  readonly outcome: string | undefined
  readonly detail: string
}

const listedMax = 100

/** The promotions of a policy, newest first. */
export function readPromotions(policy: JsonObject): readonly PromotionView[] {
  return new AnswerReader(policy, 'a policy').objects('promotions', listedMax).map((promotion) => {
    const plan = promotion.object('plan')
    const shares = plan.list('shares', listedMax)
    const step = promotion.integer('step')
    return {
      number: promotion.integer('number'),
      name: promotion.text('name'),
      version: plan.integer('version'),
      phase: promotion.text('phase'),
      step,
      steps: shares.length,
      share: Number(shares[step] ?? 0),
      budget: plan.integer('budget'),
      soakMs: plan.integer('soakMs'),
      requestsMin: plan.integer('requestsMin'),
      stepMs: promotion.integer('stepMs'),
      outcome: promotion.optionalText('outcome'),
      detail: promotion.optionalText('detail') ?? '',
    }
  })
}

/** `step 2 of 3: carried out for 25% of the callers`. */
export function stepText({ step, steps, share }: PromotionView): string {
  return `step ${step + 1} of ${steps}: carried out for ${formatShare(share)} of the callers`
}

/** What goes on, as lines that are drawn again and again. */
export function promotionLines(
  policy: JsonObject,
  promotion: PromotionView,
  nowMs: number,
): readonly (readonly Cell[])[] {
  const counts = new AnswerReader(policy, 'a policy').object('counts')
  const [requests, rejected, errors] = ['requests', 'rejected', 'errors'].map((name) =>
    counts.integer(name),
  ) as [number, number, number]
  const { name, version, budget, soakMs, stepMs, requestsMin } = promotion
  const share = requests === 0 ? 0 : ((rejected + errors) / requests) * 100
  const isOver = share * 100 > budget
  return [
    [tone('strong', `${name} version ${version}`), stepText(promotion)],
    [
      '  ',
      `${requests} requests (needs ${requestsMin}),`,
      tone(isOver ? 'bad' : 'good', `${rejected} rejected, ${errors} errors: ${share.toFixed(2)}%`),
      tone('dim', `of ${formatShare(budget)}`),
    ],
    ['  ', tone('dim', `${formatSpan(nowMs - stepMs)} of ${formatSpan(soakMs)}`)],
    [tone('dim', `  to take it back: qip policy rollback ${name}   (ctrl-c only ends this view)`)],
  ]
}
