/** What one row of the bench reports. */
export interface Row {
  readonly value: number
  readonly unit: string
  /** What it is compared with, in the same run. */
  readonly against?: string
  /** How many times better than that. */
  readonly ratio?: number
  /** The bar, for people. */
  readonly bar?: string
  /** Whether the bar is reached; absent where there is none. */
  readonly reached?: boolean
  /** Further figures of the row. */
  readonly detail?: Readonly<Record<string, number | string>>
}

/** Rows by name. */
export type Rows = Readonly<Record<string, Row>>

/** One of several things that are timed against each other: does its work `times` times. */
export type Candidate = (times: number) => void | Promise<void>

/** The time of one operation, in microseconds. */
export interface Timing {
  readonly median: number
  readonly best: number
  /** Half of the middle half of the rounds, as a share of the median: the machine's noise. */
  readonly spread: number
}

/** How candidates are timed. */
export interface RoundOptions {
  readonly rounds?: number
  /** Milliseconds that one round of one candidate should take. */
  readonly roundMs?: number
}

/**
 * Times candidates in interleaved rounds, A B C A B C, so that a change of the machine's speed meets all of them alike.
 */
export async function timeRounds<Name extends string>(
  candidates: Readonly<Record<Name, Candidate>>,
  { rounds = 15, roundMs = 60 }: RoundOptions = {},
): Promise<Readonly<Record<Name, Timing>>> {
  const names = Object.keys(candidates) as Name[]
  const times = new Map<Name, number>()
  for (const name of names) times.set(name, await timesFor(candidates[name], roundMs))
  const samples = new Map<Name, number[]>(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const count = times.get(name) ?? 1
      samples.get(name)?.push(((await elapsedMs(candidates[name], count)) * 1_000) / count)
    }
  }
  return Object.fromEntries(names.map((name) => [name, timingOf(samples.get(name) ?? [])])) as Record<
    Name,
    Timing
  >
}

async function timesFor(candidate: Candidate, roundMs: number): Promise<number> {
  let count = 1
  for (;;) {
    const ms = await elapsedMs(candidate, count)
    if (ms >= roundMs / 4) return Math.max(1, Math.round((count * roundMs) / ms))
    count *= 4
  }
}

async function elapsedMs(candidate: Candidate, times: number): Promise<number> {
  const started = performance.now()
  await candidate(times)
  return performance.now() - started
}

function timingOf(samples: readonly number[]): Timing {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  const median = at(0.5)
  return { median, best: sorted[0] ?? 0, spread: (at(0.75) - at(0.25)) / 2 / median }
}

/** A percentile of samples, 0 to 1. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

/** Rounds for print: three digits that mean something. */
export function round(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(3))
}
