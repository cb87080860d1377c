import type { DrillRun } from './drill-run.ts'
import type { Lab } from './lab.ts'
import type { ProgramName } from './programs.ts'

/** A failure that is made on purpose, to see that it is noticed and that the remedy works. */
export interface Drill {
  /** On the command line, and of its runbook: `docs/runbooks/<name>.md`. */
  readonly name: string
  /** Which of the failure modes of the requirement it is, where it is one. */
  readonly mode?: 'F1' | 'F2' | 'F3' | 'F4' | 'F5' | 'F6'
  readonly title: string
  /** Programs of the distribution that it starts. */
  readonly needs: readonly ProgramName[]
  /**
   * Brings everything up, makes the failure, waits for its detection, applies the remedy, and waits until all is well again.
   *
   * @throws {DrillFailure} where one of these does not happen
   */
  run(run: DrillRun, lab: Lab): Promise<void>
}

/** Where the runbook of a drill is, in the repository. */
export function runbookOf(name: string): string {
  return `docs/runbooks/${name}.md`
}

/** Something that a drill waited for did not happen. */
export class DrillFailure extends Error {}

/** A drill cannot be run on this machine, which says nothing about the system. */
export class DrillImpossible extends Error {}

/** A moment of a drill. */
export interface DrillMoment {
  /** Milliseconds since the drill began. */
  readonly atMs: number
  readonly kind: 'step' | 'fault' | 'detected' | 'works' | 'remedy' | 'recovered'
  readonly text: string
}

/** How a drill ended. */
export interface DrillReport {
  readonly name: string
  readonly mode: string | null
  readonly title: string
  readonly outcome: 'passed' | 'failed' | 'not run'
  readonly happened: readonly DrillMoment[]
  /** From the fault to its detection. */
  readonly detectMs: number | null
  /** From the remedy, or the end of the fault, until all was well. */
  readonly recoverMs: number | null
  readonly detectedBy: string | null
  /** Why it failed or was not run. */
  readonly reason: string | null
  readonly runbook: string
}
