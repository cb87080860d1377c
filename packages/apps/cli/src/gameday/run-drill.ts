import {
  type Drill,
  DrillFailure,
  DrillImpossible,
  type DrillReport,
  type DrillMoment,
  runbookOf,
} from './drill.ts'
import { DrillRun } from './drill-run.ts'
import { Lab } from './lab.ts'
import { findProgram, packageOf } from './programs.ts'

/** How drills are run. */
export interface RunOptions {
  /** Leaves the fault out; see `DrillRunOptions`. */
  readonly withoutFault?: boolean
  /** Leaves the folder of the lab, to look into. */
  readonly keep?: boolean
  readonly onMoment?: (moment: DrillMoment) => void
}

/** Runs one drill on a lab of its own. Never throws for what the drill finds. */
export async function runDrill(drill: Drill, options: RunOptions = {}): Promise<DrillReport> {
  const { withoutFault = false, keep = false, onMoment = () => undefined } = options
  const missing = drill.needs.filter((name) => findProgram(name) === undefined)
  const run = new DrillRun({ onMoment, withoutFault })
  if (missing.length > 0) {
    const [first = ''] = missing
    const packages = missing.map((name) => packageOf(name)).join(' ')
    return report(drill, run, 'not run', `${first} is not installed: \`apt-get install ${packages}\``)
  }
  try {
    await using lab = await Lab.open({ keep })
    await drill.run(run, lab)
    return report(drill, run, 'passed', null)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    if (error instanceof DrillImpossible) return report(drill, run, 'not run', reason)
    // A defect of the drill is no pass either.
    return report(drill, run, 'failed', error instanceof DrillFailure ? reason : `${reason} (unexpected)`)
  }
}

function report(
  { name, mode, title }: Drill,
  { happened, detectMs, recoverMs, detectedBy }: DrillRun,
  outcome: DrillReport['outcome'],
  reason: string | null,
): DrillReport {
  return {
    name,
    mode: mode ?? null,
    title,
    outcome,
    happened,
    detectMs: detectMs === null ? null : Math.round(detectMs),
    recoverMs: recoverMs === null ? null : Math.round(recoverMs),
    detectedBy,
    reason,
    runbook: runbookOf(name),
  }
}
