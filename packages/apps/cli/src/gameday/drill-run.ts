import { setTimeout as sleep } from 'node:timers/promises'
import { DrillFailure, type DrillMoment } from './drill.ts'

/** What is asked again and again until it holds. A throw counts as no. */
export type Probe = () => Promise<boolean> | boolean

/** How long a drill waits. */
export interface Patience {
  /** For the detection; default 30 s. */
  readonly withinMs?: number
}

const withinDefaultMs = 30_000
// Without its fault a drill has nothing to find; that is known soon.
const withinWithoutFaultMs = 4_000
const pollMs = 25

/** How a drill is run. */
export interface DrillRunOptions {
  /** Told of each moment as it happens. */
  readonly onMoment: (moment: DrillMoment) => void
  /** Leaves the fault out: then the drill must fail. One that passes all the same detects nothing. */
  readonly withoutFault: boolean
}

/** A drill while it runs: what happened, and when. */
export class DrillRun {
  readonly happened: DrillMoment[] = []
  detectMs: number | null = null
  recoverMs: number | null = null
  detectedBy: string | null = null
  readonly #options: DrillRunOptions
  readonly #startedMs = performance.now()
  #faultMs: number | undefined
  #remedyMs: number | undefined

  constructor(options: DrillRunOptions) {
    this.#options = options
  }

  /** Notes what is done around the drill. */
  step(text: string): void {
    this.#note('step', text)
  }

  /** Makes the fault. Time to detect counts from here. */
  async fault(text: string, make: () => unknown): Promise<void> {
    this.#faultMs = performance.now()
    if (this.#options.withoutFault) {
      this.#note('fault', `left out: ${text}`)
      return
    }
    await make()
    this.#note('fault', text)
  }

  /** Waits until the product itself says that something is wrong. */
  async detected(by: string, probe: Probe, { withinMs = withinDefaultMs }: Patience = {}): Promise<void> {
    const limitMs = this.#options.withoutFault ? Math.min(withinMs, withinWithoutFaultMs) : withinMs
    const what = `it is not detected: ${by}`
    await this.until(what, probe, { withinMs: limitMs })
    // Of several signs the first one counts, and all must come.
    this.detectMs ??= performance.now() - (this.#faultMs ?? this.#startedMs)
    this.detectedBy ??= by
    this.#note('detected', by)
  }

  /** Checks what must work meanwhile. */
  async works(text: string, probe: Probe, { withinMs = 5_000 }: Patience = {}): Promise<void> {
    await this.until(`it does not work: ${text}`, probe, { withinMs })
    this.#note('works', text)
  }

  /** Applies the remedy of the runbook. Time to recover counts from here. */
  async remedy(text: string, apply: () => unknown): Promise<void> {
    this.#remedyMs = performance.now()
    await apply()
    this.#note('remedy', text)
  }

  /** Waits until all is well. */
  async recovered(text: string, probe: Probe, { withinMs = withinDefaultMs }: Patience = {}): Promise<void> {
    await this.until(`it does not recover: ${text}`, probe, { withinMs })
    this.recoverMs = performance.now() - (this.#remedyMs ?? this.#startedMs)
    this.#note('recovered', text)
  }

  /** Waits until `probe` holds. @throws {DrillFailure} */
  async until(what: string, probe: Probe, { withinMs = withinDefaultMs }: Patience = {}): Promise<void> {
    const deadline = performance.now() + withinMs
    let last = ''
    for (;;) {
      try {
        if (await probe()) return
      } catch (error) {
        last = error instanceof Error ? ` (${error.message})` : ''
      }
      if (performance.now() > deadline) {
        throw new DrillFailure(`${what}, within ${withinMs / 1_000} s${last}`)
      }
      await sleep(pollMs)
    }
  }

  #note(kind: DrillMoment['kind'], text: string): void {
    const moment = { atMs: Math.round(performance.now() - this.#startedMs), kind, text }
    this.happened.push(moment)
    this.#options.onMoment(moment)
  }
}
