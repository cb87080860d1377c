import type { JsonObject } from '@quantum-ip/base'

/** How a line of a checklist came out. `open`: could not be asked. `human`: no machine can answer, and none ticks it. */
export type RowOutcome = 'ok' | 'warn' | 'fail' | 'open' | 'human'

/** One answer below an item of a checklist. */
export interface ChecklistRow {
  /** Stable, for programs: `keys-ready`. */
  readonly name: string
  readonly outcome: RowOutcome
  /** What was seen; of `human`, the question. */
  readonly seen: string
  readonly next?: string
  readonly runbook?: string
}

/** An item as the checklist has it, and what answers it. */
export interface ChecklistItem {
  readonly item: string
  readonly rows: readonly ChecklistRow[]
}

/** A question that only people can answer. */
export function askPeople(name: string, seen: string): ChecklistRow {
  return { name, outcome: 'human', seen }
}

/** A row as JSON. */
export function rowJson({ name, outcome, seen, next, runbook }: ChecklistRow): JsonObject {
  return {
    name,
    outcome,
    seen,
    ...(next !== undefined && { next }),
    ...(runbook !== undefined && { runbook }),
  }
}
