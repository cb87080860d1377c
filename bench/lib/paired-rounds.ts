import type { Candidate } from './measure.ts'

/** What one thing costs more than another, for one operation, in nanoseconds. */
export interface Difference {
  /** The median over pairs of rounds, one of each right after the other. */
  readonly median: number
  /** Half of the middle half of these differences: the machine's noise. */
  readonly noise: number
  /** Between the best round of each. */
  readonly best: number
  /** Processor time of this thread over all rounds, collections of garbage included; waiting for the processor is not. */
  readonly cpu: number
  /** The median round of each. */
  readonly more: number
  readonly less: number
}

/** How the rounds are cut. */
export interface PairedRounds {
  readonly pairs?: number
  /** Operations of one round: so few that most rounds end before the scheduler takes the processor away. */
  readonly times?: number
}

/**
 * Times what `more` costs beyond `less`, in many short rounds that alternate, on a machine that does other things too.
 *
 * Long rounds are interrupted, all of them on a busy machine, and the difference of their medians is then that of the
 * interruptions. Of short ones most are not, and the two of a pair meet the same speed of the machine.
 */
export async function timeDifference(
  { more, less }: { readonly more: Candidate; readonly less: Candidate },
  { pairs = 700, times = 1_000 }: PairedRounds = {},
): Promise<Difference> {
  const rounds = { more: [] as Round[], less: [] as Round[] }
  for (let pair = 0; pair < pairs; pair++) {
    // Each goes first in half of the pairs: what comes second finds the caches as the other left them.
    const isMoreFirst = pair % 2 === 0
    if (isMoreFirst) rounds.more.push(await roundOf(more, times))
    rounds.less.push(await roundOf(less, times))
    if (!isMoreFirst) rounds.more.push(await roundOf(more, times))
  }
  const wall = { more: sortedNs(rounds.more), less: sortedNs(rounds.less) }
  const differences = sorted(rounds.more.map(({ ns }, pair) => ns - (rounds.less[pair]?.ns ?? Number.NaN)))
  return {
    median: at(differences, 0.5),
    noise: (at(differences, 0.75) - at(differences, 0.25)) / 2,
    best: at(wall.more, 0) - at(wall.less, 0),
    cpu: meanCpuNs(rounds.more) - meanCpuNs(rounds.less),
    more: at(wall.more, 0.5),
    less: at(wall.less, 0.5),
  }
}

/** One round, for one operation. */
interface Round {
  readonly ns: number
  readonly cpuNs: number
}

async function roundOf(candidate: Candidate, times: number): Promise<Round> {
  const cpu = process.threadCpuUsage()
  const started = performance.now()
  await candidate(times)
  const ns = ((performance.now() - started) * 1_000_000) / times
  const { user, system } = process.threadCpuUsage(cpu)
  return { ns, cpuNs: ((user + system) * 1_000) / times }
}

// The system counts processor time in steps as long as a round: only the sum over many says something.
function meanCpuNs(rounds: readonly Round[]): number {
  return rounds.reduce((sum, { cpuNs }) => sum + cpuNs, 0) / rounds.length
}

function sortedNs(rounds: readonly Round[]): readonly number[] {
  return sorted(rounds.map(({ ns }) => ns))
}

function sorted(values: readonly number[]): readonly number[] {
  return [...values].sort((a, b) => a - b)
}

function at(values: readonly number[], share: number): number {
  return values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? 0
}
