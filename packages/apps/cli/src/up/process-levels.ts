import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { JsonObject } from '@quantum-ip/base'
import type { Config } from '@quantum-ip/http'
import {
  type KeptLevels,
  LevelCounter,
  levelMetrics,
  levelReportJson,
  readSamples,
} from '@quantum-ip/telemetry'
import type { ProcessTelemetry } from './process-telemetry.ts'

const lookMs = 60_000
/** What a crash loses at most. */
const keepEveryMs = 10 * 60_000

/** The service levels that one process counts, kept over restarts in a file of its own. */
export class ProcessLevels {
  readonly #telemetry: ProcessTelemetry
  readonly #counter: LevelCounter
  readonly #file: string
  readonly #timer: NodeJS.Timeout
  readonly #process = `${process.pid}-${Date.now()}`
  #keptMs = Date.now()

  private constructor(telemetry: ProcessTelemetry, counter: LevelCounter, file: string) {
    this.#telemetry = telemetry
    this.#counter = counter
    this.#file = file
    this.#timer = setInterval(() => void this.#look(), lookMs).unref()
  }

  /** @param name what the process is called among those of its configuration */
  static async open(telemetry: ProcessTelemetry, config: Config, name: string): Promise<ProcessLevels> {
    const file = join(config.trust.snapshotDirectory, `${name}.levels.json`)
    const enforced = config.services.filter(({ stage }) => stage === 'enforced').map(({ id }) => id)
    const counter = new LevelCounter(enforced, Date.now(), await readKept(file))
    const levels = new ProcessLevels(telemetry, counter, file)
    telemetry.onLevels(() => levels.#report())
    return levels
  }

  /** What was counted up to now. `process` tells two answers of one process from those of two. */
  #report(): JsonObject {
    this.#take()
    return { process: this.#process, ...levelReportJson(this.#counter.report(Date.now())) }
  }

  /** To be called while what it counts still runs. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#take()
    await this.#keep()
  }

  async #look(): Promise<void> {
    this.#take()
    if (Date.now() - this.#keptMs >= keepEveryMs) await this.#keep()
  }

  #take(): void {
    const { metrics } = this.#telemetry
    this.#counter.take(readSamples(metrics, this.#telemetry.refresh(), levelMetrics), Date.now())
  }

  /** What cannot be written is not kept: the process goes on counting. */
  async #keep(): Promise<void> {
    this.#keptMs = Date.now()
    const draft = `${this.#file}.draft`
    try {
      await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 })
      await writeFile(draft, JSON.stringify(this.#counter.keep()), { mode: 0o600 })
      await rename(draft, this.#file)
    } catch {
      // Nothing that anybody waits for.
    }
  }
}

/** What the process before kept; nothing where there is no such file, or one of another form. */
async function readKept(file: string): Promise<KeptLevels | undefined> {
  try {
    const kept = JSON.parse(await readFile(file, 'utf8')) as KeptLevels
    const isForm =
      kept.version === 1 &&
      Array.isArray(kept.series) &&
      Number.isSafeInteger(kept.history.sinceMs) &&
      areEntries(kept.history.minutes) &&
      areEntries(kept.history.hours)
    return isForm ? kept : undefined
  } catch {
    return undefined
  }
}

function areEntries(value: unknown): boolean {
  return Array.isArray(value) && value.every((entry) => isEntry(entry))
}

function isEntry(entry: unknown): boolean {
  return (
    Array.isArray(entry) && entry.length === 4 && entry.every((part) => Number.isFinite(part) && part >= 0)
  )
}
