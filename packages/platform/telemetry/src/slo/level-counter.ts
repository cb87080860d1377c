import type { JsonObject } from '@quantum-ip/base'
import type { LevelSample } from './read-samples.ts'
import { type BurnWindow, burnWindows, type SharesByWindow } from './burn-alerts.ts'
import { CountHistory, type KeptHistory } from './count-history.ts'
import { countSamples } from './count-samples.ts'
import type { Share } from './error-budget.ts'
import { type LevelId, type ServiceLevel, serviceLevels } from './service-levels.ts'

/** What a level counted, for a service or for the whole of a process. */
export interface LevelShares {
  readonly id: LevelId
  /** Absent: the whole. */
  readonly service: string | undefined
  readonly shares: SharesByWindow
}

/** What a process has counted. */
export interface LevelReport {
  /** Since when it counts, and when this was read; milliseconds since 1970. */
  readonly sinceMs: number
  readonly nowMs: number
  readonly levels: readonly LevelShares[]
}

/** A history with the names of its series, as it is kept over a restart. */
export interface KeptLevels {
  readonly version: 1
  readonly series: readonly string[]
  readonly history: KeptHistory
}

interface Row {
  readonly level: ServiceLevel
  readonly service: string | undefined
  /** What the counters said last: `undefined` before they were read. */
  last: Share | undefined
}

const keptMost = 10_000

/**
 * Turns the counters of a process into what was counted in each span: it is told of them once a minute, and nothing on the way of a
 * request knows of it. Bounded: a series for each level and enforced service.
 */
export class LevelCounter {
  readonly #rows: readonly Row[]
  readonly #history: CountHistory
  readonly #names: readonly string[]
  #minute = -1

  /** @param services those whose levels count: the enforced ones */
  constructor(services: readonly string[], nowMs: number, kept?: KeptLevels) {
    this.#rows = serviceLevels.flatMap((level): Row[] =>
      (level.of === 'fleet' ? [undefined] : services).map((service) => ({ level, service, last: undefined })),
    )
    this.#names = this.#rows.map(({ level, service }) => nameOf(level.id, service))
    this.#history = new CountHistory(this.#rows.length, nowMs, kept && renumbered(kept, this.#names))
  }

  /**
   * Takes what the counters say now, all of which were zero when the process began. Gauges count once a minute, however often it is
   * told of them.
   */
  take(samples: readonly LevelSample[], nowMs: number): void {
    const minute = Math.floor(nowMs / 60_000)
    const isNewMinute = minute > this.#minute
    this.#minute = minute
    const ofService = Map.groupBy(samples, ({ labels }) => labels.find(([label]) => label === 'service')?.[1])
    this.#rows.forEach((row, series) => {
      const seen = row.service === undefined ? samples : (ofService.get(row.service) ?? [])
      const now = countSamples(seen, row.level)
      if (now === undefined) return
      const { last } = row
      row.last = now
      if (row.level.kind === 'events') this.#history.add(series, nowMs, difference(now, last))
      else if (isNewMinute) this.#history.add(series, nowMs, now)
    })
  }

  report(nowMs: number): LevelReport {
    return {
      sinceMs: this.#history.sinceMs,
      nowMs,
      levels: this.#rows.map(({ level: { id }, service }, series) => ({
        id,
        service,
        shares: this.#history.shares(series, nowMs),
      })),
    }
  }

  /** For the next start. */
  keep(): KeptLevels {
    return { version: 1, series: this.#names, history: this.#history.keep() }
  }
}

/** A counter that went back began anew: a thread was replaced, or the process. */
function difference(now: Share, last: Share = { bad: 0, total: 0 }): Share {
  return { bad: since(now.bad, last.bad), total: since(now.total, last.total) }
}

function since(now: number, before: number): number {
  return now < before ? now : now - before
}

function nameOf(id: LevelId, service: string | undefined): string {
  return service === undefined ? id : `${id} ${service}`
}

/** Services may have come and gone since. */
function renumbered({ series, history }: KeptLevels, names: readonly string[]): KeptHistory {
  const numbers = series.slice(0, keptMost).map((name) => names.indexOf(name))
  type Entries = KeptHistory['minutes']
  const renumber = (entries: Entries): Entries =>
    entries.flatMap(([at, old, bad, total]) => {
      const one = numbers[old] ?? -1
      return one < 0 ? [] : [[at, one, bad, total] as const]
    })
  return { ...history, minutes: renumber(history.minutes), hours: renumber(history.hours) }
}

/** A report as the API shows it. */
export function levelReportJson({ sinceMs, nowMs, levels }: LevelReport): JsonObject {
  return {
    sinceMs,
    nowMs,
    levels: levels.map(({ id, service, shares }) => ({
      id,
      ...(service !== undefined && { service }),
      windows: Object.fromEntries(
        (Object.keys(burnWindows) as BurnWindow[]).map((name) => [
          name,
          [shares[name].bad, shares[name].total],
        ]),
      ),
    })),
  }
}
