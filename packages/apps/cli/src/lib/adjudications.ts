import { type AnswerReader, requestObject } from '@quantum-ip/client'
import { askAuthority } from './authority.ts'
import type { AuthorityOptions } from './authority-options.ts'

/** What an operator said of a decision. */
export type SaidOfDecision = {
  readonly timeMs: number
  readonly operator: string
  readonly verdict: string
  readonly note: string
}

/** What operators said of a decision, in order; nothing where the authority is away: an explanation does not wait for it. */
export async function adjudicationsOf(
  id: string,
  options: AuthorityOptions,
): Promise<readonly SaidOfDecision[]> {
  try {
    await using asked = await askAuthority(options)
    const answer = await requestObject(asked.requester, {
      operation: 'adjudications',
      method: 'GET',
      target: `/v1/decisions/${encodeURIComponent(id)}/adjudications`,
      timeoutMs: 1_000,
    })
    return answer.objects('adjudications', 1_000).map((said) => saidOf(said))
  } catch {
    return []
  }
}

function saidOf(said: AnswerReader): SaidOfDecision {
  return {
    timeMs: said.integer('timeMs'),
    operator: said.text('operator'),
    verdict: said.text('verdict'),
    note: said.text('note'),
  }
}
