import type { ExportObserver, TelemetrySignal } from '@quantum-ip/telemetry'

/** How an exporter of the SDK says how a sending ended; 0 is success. */
interface ExportResult {
  readonly code: number
  readonly error?: Error
}

interface Exporter<Item> {
  export(items: Item, done: (result: ExportResult) => void): void
  shutdown(): Promise<void>
  forceFlush?(): Promise<void>
}

/** How many items there are in what is sent at once. */
export type ItemCount<Items> = (items: Items) => number

/**
 * An exporter around another one that knows how much is on its way, and counts what became of it.
 *
 * The SDK's batch processors drop what their queue has no room for without telling anybody. Here nothing enters them that they would
 * drop: {@link BoundedExporter.admit} says beforehand how much there is room for.
 */
export class BoundedExporter<Items> {
  readonly #inner: Exporter<Items>
  readonly #signal: TelemetrySignal
  readonly #observer: ExportObserver
  readonly #countOf: ItemCount<Items>
  readonly #queueMax: number
  #waiting = 0

  constructor(
    inner: Exporter<Items>,
    signal: TelemetrySignal,
    {
      observer,
      countOf,
      queueMax,
    }: { observer: ExportObserver; countOf: ItemCount<Items>; queueMax: number },
  ) {
    this.#inner = inner
    this.#signal = signal
    this.#observer = observer
    this.#countOf = countOf
    this.#queueMax = queueMax
  }

  /** How many of so many items may enter the queue; the others are counted as dropped. */
  admit(items: number): number {
    const admitted = Math.min(items, Math.max(0, this.#queueMax - this.#waiting))
    this.#waiting += admitted
    if (admitted < items) this.#observer.count(this.#signal, 'queue_full', items - admitted)
    return admitted
  }

  export(items: Items, done: (result: ExportResult) => void): void {
    const count = this.#countOf(items)
    let isDone = false
    const settle = (result: ExportResult): void => {
      if (isDone) return
      isDone = true
      this.#waiting = Math.max(0, this.#waiting - count)
      this.#observer.count(this.#signal, result.code === 0 ? 'sent' : 'failed', count)
      // What failed is counted. To the processor it is done: its own way of telling would be a rejection that nobody waits for.
      done({ code: 0 })
    }
    try {
      this.#inner.export(items, settle)
    } catch {
      settle({ code: 1 })
    }
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown()
  }

  forceFlush(): Promise<void> {
    return this.#inner.forceFlush?.() ?? Promise.resolve()
  }
}
