import type { JsonObject } from '@quantum-ip/base'
import { burnWindows, type LevelStanding, type ServiceLevel } from '@quantum-ip/telemetry'
import type { LevelSource } from './level-source.ts'
import { type Cell, type Output, tone, type Tone } from './output.ts'
import { formatMoment, formatSpan } from './times.ts'

/** A level, of a service or of the whole, and how it stands. */
export interface StandingLevel {
  readonly level: ServiceLevel
  readonly service: string | undefined
  readonly standing: LevelStanding
}

const barCells = 12
const head = ['level', '', 'asked', 'last hour', 'budget left', '', 'burn 1h', '6h', 'at this rate'] as const

/** The levels as JSON. What is infinite is `null`. */
export function levelsJson(
  { name, sinceMs, missing }: LevelSource,
  levels: readonly StandingLevel[],
): JsonObject {
  return {
    source: name,
    sinceMs: sinceMs ?? null,
    missing: [...missing],
    levels: levels.map(({ level: { id, title, target, asked, unit }, service, standing }) => ({
      id,
      title,
      service: service ?? null,
      target,
      asked,
      unit,
      total: standing.total,
      good: standing.good ?? null,
      left: standing.left,
      burn: Object.fromEntries(
        Object.keys(burnWindows).map((window) => [
          window,
          finite(standing.burn[window as keyof typeof standing.burn]),
        ]),
      ),
      urgency: standing.urgency ?? null,
      lastsMs: finite(standing.lastsMs),
    })),
  }
}

/** The levels for people: of each service, and of the whole. */
export function showLevels(
  output: Output,
  {
    source,
    levels,
    nowMs,
  }: { readonly source: LevelSource; readonly levels: readonly StandingLevel[]; readonly nowMs: number },
): void {
  const since =
    source.sinceMs === undefined ? 'the last 30 days' : `since ${formatMoment(source.sinceMs, nowMs)}`
  output.line(tone('dim', `counted by ${source.name}, ${since}`))
  for (const missing of source.missing) output.line(tone('warn', 'not asked:'), missing)
  const services = [...new Set(levels.flatMap(({ service }) => (service === undefined ? [] : [service])))]
  if (services.length === 0) {
    output.line(tone('warn', 'no service is enforced:'), 'levels of services count from then on')
    output.line('  next:', 'qip services')
  }
  for (const service of services) {
    output.line('')
    output.line(tone('strong', service))
    table(
      output,
      levels.filter((level) => level.service === service),
    )
  }
  const whole = levels.filter((level) => level.service === undefined)
  if (whole.length === 0) return
  output.line('')
  output.line(tone('strong', 'everything'))
  table(output, whole)
}

function table(output: Output, levels: readonly StandingLevel[]): void {
  output.table(
    head,
    levels.map(({ level: { id, title, asked }, standing }) => [
      id,
      title,
      asked,
      shareCell(standing),
      barCell(standing),
      percent(standing.left),
      rateCell(standing.burn['1h']),
      rateCell(standing.burn['6h']),
      outlookCell(standing),
    ]),
  )
}

function shareCell({ good, total }: LevelStanding): Cell {
  return good === undefined ? tone('dim', 'nothing') : `${percent(good)} of ${Math.round(total)}`
}

/** What is left of the budget, as a bar; every part that is there at all is seen. */
function barCell({ left }: LevelStanding): Cell {
  const filled = left <= 0 ? 0 : Math.max(1, Math.round(Math.min(1, left) * barCells))
  return tone(toneOf(left), `${'█'.repeat(filled)}${'░'.repeat(barCells - filled)}`)
}

function toneOf(left: number): Tone {
  if (left <= 0) return 'bad'
  return left < 0.25 ? 'warn' : 'good'
}

function rateCell(rate: number): Cell {
  const text = Number.isFinite(rate) ? `${rate.toFixed(rate < 10 ? 1 : 0)}x` : 'all'
  return rate > 1 ? tone('warn', text) : text
}

function outlookCell({ left, lastsMs, burn, urgency }: LevelStanding): Cell {
  const now = urgency === 'page' ? 'bad' : urgency === 'ticket' ? 'warn' : undefined
  const says = urgency === undefined ? '' : `, ${urgency}`
  if (left <= 0) return tone('bad', `used up${says}`)
  if (burn['6h'] === 0) return tone('dim', 'nothing is burnt')
  if (burn['6h'] <= 1) return tone(now ?? 'good', `lasts${says}`)
  return tone(now ?? 'warn', `used up in ${formatSpan(lastsMs)}${says}`)
}

function percent(share: number): string {
  const value = share * 100
  if (value > -1_000 && value < 0) return `${value.toFixed(0)} %`
  if (value <= -1_000) return '< -1000 %'
  // What is not whole is never shown as whole.
  const text = value.toFixed(value > 99 ? 2 : 1)
  return `${value < 100 && Number(text) === 100 ? '> 99.99' : text.replace(/\.0+$/, '')} %`
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
