import type { AnswerReader } from '@quantum-ip/client'

/** The number of a member that may be missing or `null`. */
export function numberOf(answer: AnswerReader, name: string): number | undefined {
  try {
    return answer.integer(name)
  } catch {
    return undefined
  }
}
