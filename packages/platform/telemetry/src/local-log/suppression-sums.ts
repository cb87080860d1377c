import type { Reason } from '@quantum-ip/verifier'
import type { SuppressionCause, SuppressionRecord } from '../decision-record.ts'

interface Sum {
  readonly reason: Reason
  readonly cause: SuppressionCause
  count: number
  sent: number
  fromMs: number
}

/** Counts of records that were not kept, by reason and cause, until they are written down. */
export class SuppressionSums {
  readonly #sums = new Map<string, Sum>()

  get size(): number {
    return this.#sums.size
  }

  add({
    reason,
    cause,
    count,
    sent = 0,
    fromMs,
  }: Omit<SuppressionRecord, 'kind' | 'id' | 'point' | 'toMs'>): void {
    if (count === 0) return
    const sum = this.#sums.get(`${reason} ${cause}`)
    if (sum === undefined) {
      this.#sums.set(`${reason} ${cause}`, { reason, cause, count, sent, fromMs })
      return
    }
    sum.count += count
    sum.sent += sent
    sum.fromMs = Math.min(sum.fromMs, fromMs)
  }

  /** Takes all of them out, as records. */
  take({
    point,
    toMs,
    id,
  }: {
    readonly point: string
    readonly toMs: number
    readonly id: () => string
  }): readonly SuppressionRecord[] {
    const common = { kind: 'suppressed', point, toMs } as const
    const records = [...this.#sums.values()].map((sum) => Object.assign(sum, common, { id: id() }))
    this.#sums.clear()
    return records
  }
}
