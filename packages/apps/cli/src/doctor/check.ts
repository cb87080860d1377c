import type { JsonObject } from '@quantum-ip/base'

/** How a check came out. `open`: it could not be made, and says why. */
export type CheckOutcome = 'ok' | 'warn' | 'fail' | 'open'

/** One thing that the doctor looked at. */
export interface DoctorCheck {
  /** Stable, for programs: `token-arrives`. */
  readonly name: string
  readonly outcome: CheckOutcome
  /** What was seen. */
  readonly seen: string
  /** The hop that it is about. */
  readonly hop?: string
  /** What to do. */
  readonly next?: string
  /** Path of the runbook. */
  readonly runbook?: string
}

/** A check as JSON. */
export function checkJson({ name, outcome, seen, hop, next, runbook }: DoctorCheck): JsonObject {
  return {
    name,
    outcome,
    seen,
    ...(hop !== undefined && { hop }),
    ...(next !== undefined && { next }),
    ...(runbook !== undefined && { runbook }),
  }
}

/** A runbook by its name. */
export function runbook(name: string): string {
  return `docs/runbooks/${name}.md`
}
