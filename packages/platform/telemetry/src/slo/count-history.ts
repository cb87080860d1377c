import { type BurnWindow, burnWindows, type SharesByWindow } from './burn-alerts.ts'
import type { Share } from './error-budget.ts'

const minuteMs = 60_000
const hourMs = 3_600_000
/** Spans up to here are summed up of minutes, longer ones of hours. */
const minutesKept = 6 * 60 + 1
const hoursKept = 30 * 24 + 1

/** A history as it is kept over a restart: buckets with anything in them, as `[minute or hour, series, bad, total]`. */
export interface KeptHistory {
  readonly sinceMs: number
  readonly minutes: readonly (readonly [number, number, number, number])[]
  readonly hours: readonly (readonly [number, number, number, number])[]
}

/**
 * Counts of bad and all things over the last 30 days, by the minute for six hours and by the hour from then on: 17 KB for each series,
 * laid out once. Numbers that stand for a series are the caller's.
 */
export class CountHistory {
  readonly #minutes: Ring
  readonly #hours: Ring
  readonly #sinceMs: number

  constructor(series: number, sinceMs: number, kept?: KeptHistory) {
    this.#minutes = new Ring(series, minutesKept)
    this.#hours = new Ring(series, hoursKept)
    this.#sinceMs = kept?.sinceMs ?? sinceMs
    for (const [at, one, bad, total] of kept?.minutes ?? []) this.#minutes.add(at, one, { bad, total })
    for (const [at, one, bad, total] of kept?.hours ?? []) this.#hours.add(at, one, { bad, total })
  }

  /** Since when there are counts. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  /** Counts what came since it was last told. A time that is older than what is kept already is left out. */
  add(series: number, nowMs: number, share: Share): void {
    if (share.bad === 0 && share.total === 0) return
    this.#minutes.add(Math.floor(nowMs / minuteMs), series, share)
    this.#hours.add(Math.floor(nowMs / hourMs), series, share)
  }

  /** What was counted in each span up to now. The first minute, or hour, of a span counts whole. */
  shares(series: number, nowMs: number): SharesByWindow {
    const names = Object.keys(burnWindows) as BurnWindow[]
    const entries = names.map((name) => {
      const ms = burnWindows[name]
      const isShort = ms < minutesKept * minuteMs
      const [ring, unitMs] = isShort ? [this.#minutes, minuteMs] : [this.#hours, hourMs]
      const last = Math.floor(nowMs / unitMs)
      return [name, ring.sum(series, { last, count: ms / unitMs })]
    })
    return Object.fromEntries(entries) as SharesByWindow
  }

  /** For the next start. */
  keep(): KeptHistory {
    return { sinceMs: this.#sinceMs, minutes: this.#minutes.entries(), hours: this.#hours.entries() }
  }
}

/** Buckets of one width, the newest `size` of them. */
class Ring {
  readonly #series: number
  readonly #size: number
  readonly #cells: Float64Array
  /** The number of the minute or hour that each bucket is of. */
  readonly #numbers: Float64Array

  constructor(series: number, size: number) {
    this.#series = series
    this.#size = size
    this.#cells = new Float64Array(series * size * 2)
    this.#numbers = new Float64Array(size).fill(-1)
  }

  add(number: number, series: number, { bad, total }: Share): void {
    if (series < 0 || series >= this.#series || !Number.isInteger(number) || number < 0) return
    const place = number % this.#size
    const held = this.#numbers[place] as number
    if (held > number) return
    if (held < number) {
      this.#cells.fill(0, place * this.#series * 2, (place + 1) * this.#series * 2)
      this.#numbers[place] = number
    }
    const at = (place * this.#series + series) * 2
    this.#cells[at] = (this.#cells[at] as number) + bad
    this.#cells[at + 1] = (this.#cells[at + 1] as number) + total
  }

  sum(series: number, { last, count }: { readonly last: number; readonly count: number }): Share {
    let [bad, total] = [0, 0]
    for (let number = Math.max(0, last - count + 1); number <= last; number++) {
      const place = number % this.#size
      if (this.#numbers[place] !== number) continue
      const at = (place * this.#series + series) * 2
      bad += this.#cells[at] as number
      total += this.#cells[at + 1] as number
    }
    return { bad, total }
  }

  entries(): (readonly [number, number, number, number])[] {
    const found: (readonly [number, number, number, number])[] = []
    for (const [place, number] of this.#numbers.entries()) {
      if (number < 0) continue
      for (let series = 0; series < this.#series; series++) {
        const at = (place * this.#series + series) * 2
        const [bad = 0, total = 0] = this.#cells.subarray(at, at + 2)
        if (bad !== 0 || total !== 0) found.push([number, series, bad, total])
      }
    }
    return found
  }
}
