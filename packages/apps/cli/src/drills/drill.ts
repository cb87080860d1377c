/** Told of each step of a drill as it happens. */
export type DrillReporter = (step: DrillStep) => void

/** Something that happened in a drill. */
export interface DrillStep {
  /** Milliseconds since the drill began. */
  readonly atMs: number
  readonly text: string
  /** Whether it is what was to happen; absent where nothing was expected. */
  readonly ok?: boolean
}

/** Notes steps with their time. */
export class DrillNotes {
  readonly #report: DrillReporter
  readonly #startedMs = performance.now()
  #failures = 0

  constructor(report: DrillReporter) {
    this.#report = report
  }

  get atMs(): number {
    return Math.round(performance.now() - this.#startedMs)
  }

  /** Whether everything was as expected until now. */
  get ok(): boolean {
    return this.#failures === 0
  }

  tell(text: string): void {
    this.#report({ atMs: this.atMs, text })
  }

  expect(ok: boolean, text: string): void {
    if (!ok) this.#failures++
    this.#report({ atMs: this.atMs, text, ok })
  }
}
