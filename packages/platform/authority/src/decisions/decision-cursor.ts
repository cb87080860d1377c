/** Where a list of decisions goes on: behind this one. */
export interface DecisionCursor {
  readonly timeMs: number
  readonly id: string
}

/** The form of a cursor. */
export const cursorForm = '^\\d{1,15}[.].{1,128}$'

/** A cursor as the API hands it out. */
export function formatCursor({ timeMs, id }: DecisionCursor): string {
  return `${timeMs}.${id}`
}

/** Reads a cursor of {@link cursorForm}. */
export function parseCursor(text: string): DecisionCursor {
  const dot = text.indexOf('.')
  return { timeMs: Number(text.slice(0, dot)), id: text.slice(dot + 1) }
}
