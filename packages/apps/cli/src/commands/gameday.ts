import { nearest } from '@quantum-ip/base'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { type Drill, type DrillMoment, type DrillReport, runbookOf } from '../gameday/drill.ts'
import { drills } from '../gameday/drills.ts'
import { runDrill } from '../gameday/run-drill.ts'
import { answer, newAnswer } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Cell, type Output, type OutputOptions, tone } from '../lib/output.ts'
import { formatSpan } from '../lib/times.ts'

interface GamedayOptions extends OutputOptions {
  readonly withoutFault?: boolean
  readonly keep?: boolean
}

/** `qip gameday [scenario…]` and `qip gameday list`. */
export function gamedayCommand(run: Run): Command {
  const list = newAnswer('list', 'show the drills').action((options: OutputOptions) =>
    answer(run, options, (output) => listDrills(output)),
  )
  return newAnswer(
    'gameday',
    'failure drills: on processes of its own in a temporary folder, and on nothing else',
  )
    .enablePositionalOptions()
    .argument('[scenario...]', 'drills by name (default: all, one after the other)')
    .option('--without-fault', 'leave the faults out: then every drill must fail, or it detects nothing')
    .option('--keep', 'leave the temporary folders, to look into')
    .action((names: readonly string[], options: GamedayOptions) =>
      answer(run, options, (output) => runDrills(output, chosen(names), options)),
    )
    .addCommand(list)
}

function chosen(names: readonly string[]): readonly Drill[] {
  if (names.length === 0 || (names.length === 1 && names[0] === 'all')) return drills
  return names.map((name) => {
    const found = drills.find((drill) => drill.name === name || drill.mode === name.toUpperCase())
    if (found !== undefined) return found
    const hint = nearest(
      name,
      drills.map((drill) => drill.name),
    )
    throw new CliError('QIP_CLI_USAGE', {
      reason: `there is no drill \`${name.slice(0, 32)}\``,
      next: hint === undefined ? 'see `qip gameday list`' : `did you mean \`${hint}\`?`,
    })
  })
}

function listDrills(output: Output): void {
  const rows = drills.map(({ name, mode = null, title, needs }) => ({
    name,
    mode,
    title,
    needs: [...needs],
    runbook: runbookOf(name),
  }))
  output.show({ drills: rows }, () =>
    output.table(
      ['drill', 'mode', 'what happens', 'needs', 'runbook'],
      rows.map(({ name, mode, title, needs, runbook }) => [
        tone('strong', name),
        mode ?? '',
        title,
        needs.join(', '),
        tone('dim', runbook),
      ]),
    ),
  )
}

async function runDrills(output: Output, list: readonly Drill[], options: GamedayOptions): Promise<Outcome> {
  const reports: DrillReport[] = []
  for (const drill of list) {
    if (!output.json) {
      output.line(tone('strong', drill.name), tone('dim', drill.mode ?? ''), drill.title)
    }
    const report = await runDrill(drill, {
      withoutFault: options.withoutFault === true,
      keep: options.keep === true,
      onMoment: (moment) => {
        if (!output.json) showMoment(output, moment)
      },
    })
    reports.push(report)
    if (!output.json) showEnd(output, report)
  }
  const ok = reports.every(({ outcome }) => outcome === 'passed')
  const count = (outcome: DrillReport['outcome']): number =>
    reports.filter((report) => report.outcome === outcome).length
  const json = { ok, passed: count('passed'), failed: count('failed'), notRun: count('not run') }
  output.show(
    {
      ...json,
      drills: reports.map((report) => ({
        ...report,
        happened: report.happened.map((moment) => ({ ...moment })),
      })),
    },
    () => {
      if (reports.length > 1) showSummary(output, reports)
    },
  )
  return ok ? 'ok' : 'no'
}

const tones = {
  step: 'dim',
  fault: 'bad',
  detected: 'warn',
  works: 'good',
  remedy: 'accent',
  recovered: 'good',
} as const

function showMoment(output: Output, { atMs, kind, text }: DrillMoment): void {
  const at = `${(atMs / 1_000).toFixed(1)} s`.padStart(7)
  output.line(tone('dim', at), tone(tones[kind], kind.padEnd(9)), text)
}

function showEnd(output: Output, report: DrillReport): void {
  output.line('       ', outcomeCell(report), ...(report.reason === null ? [] : [report.reason]))
  output.line('       ', tone('dim', 'runbook'), report.runbook)
  output.line('')
}

function showSummary(output: Output, reports: readonly DrillReport[]): void {
  output.table(
    ['drill', 'mode', 'outcome', 'detected in', 'recovered in', 'detected by'],
    reports.map((report) => [
      report.name,
      report.mode ?? '',
      outcomeCell(report),
      spanOf(report.detectMs),
      spanOf(report.recoverMs),
      report.outcome === 'passed' ? (report.detectedBy ?? '') : (report.reason ?? ''),
    ]),
  )
}

function outcomeCell({ outcome }: DrillReport): Cell {
  return tone(({ passed: 'good', failed: 'bad', 'not run': 'warn' } as const)[outcome], outcome)
}

function spanOf(ms: number | null): string {
  return ms === null ? '' : formatSpan(ms)
}
