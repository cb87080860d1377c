import type { Outcome } from '../exit-codes.ts'
import { type Output, type Tone, tone } from '../lib/output.ts'
import { rowJson, type RowOutcome } from './row.ts'
import type { Checklist, ChecklistName } from './run-checklist.ts'

const marks: Readonly<Record<RowOutcome, readonly [mark: string, tone: Tone]>> = {
  ok: ['[x]', 'good'],
  warn: ['[!]', 'warn'],
  fail: ['[-]', 'bad'],
  open: ['[?]', 'dim'],
  human: ['[ ]', 'accent'],
}

/** Shows a checklist that was gone through. Only what was seen to be well is ticked; what people must answer is left open. */
export function showChecklist(output: Output, name: ChecklistName, { items, draft }: Checklist): Outcome {
  const rows = items.flatMap((item) => item.rows)
  const count = (wanted: RowOutcome): number => rows.filter(({ outcome }) => outcome === wanted).length
  const counts = {
    ok: count('ok'),
    warn: count('warn'),
    fail: count('fail'),
    open: count('open'),
    human: count('human'),
  }
  const ok = counts.fail === 0 && counts.open === 0
  const json = {
    ok,
    checklist: name,
    counts,
    items: items.map((item) => ({ item: item.item, rows: item.rows.map((row) => rowJson(row)) })),
    ...(draft !== undefined && { draft }),
  }
  output.show(json, () => {
    for (const item of items) {
      output.line(tone('strong', item.item))
      for (const { outcome, name: row, seen, next, runbook } of item.rows) {
        const [mark, colour] = marks[outcome]
        output.line(`  ${mark}`, tone(colour, row), seen)
        if (outcome === 'ok') continue
        if (next !== undefined) output.line('      ', tone('dim', 'next:'), next)
        if (runbook !== undefined) output.line('      ', tone('dim', 'runbook:'), runbook)
      }
    }
    if (draft !== undefined) output.line(`\n${draft}`)
    output.line(
      `\n${counts.ok} well, ${counts.warn} to look at, ${counts.fail} not done, ${counts.open} could not be asked, ${counts.human} for people to answer`,
    )
  })
  return ok ? 'ok' : 'no'
}
