import type { AnswerReader } from '@quantum-ip/client'

/** The text of a member that may be missing or `null`; then it is empty. */
export function textOf(answer: AnswerReader, name: string): string {
  try {
    return answer.optionalText(name) ?? ''
  } catch {
    return ''
  }
}
