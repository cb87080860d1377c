import type { Clock } from '@quantum-ip/base'

/** How long a revocation took to reach one member: from the order to its effect there. */
export interface MemberPropagation {
  readonly epoch: number
  readonly ms: number
}

/** What a member says of the newest revocation that it holds. */
export interface EpochReport {
  /** Names the member. */
  readonly member: string
  readonly epoch: number
  /** Milliseconds since it took effect there, by the member's own clock. */
  readonly epochAgeMs: number
}

const ordersMax = 4_096
const membersMax = 10_000

/**
 * How long revocations take to reach each member, end to end, by this clock alone: the order came here, and the member says how
 * long ago it took effect. What the acknowledgement took on its way is in the figure, so it is an upper bound.
 */
export class Propagation {
  readonly #clock: Clock
  readonly #orders = new Map<number, number>()
  readonly #members = new Map<string, MemberPropagation>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A revocation was ordered at `orderedMs`, and has this epoch. */
  ordered(epoch: number, orderedMs: number): void {
    this.#orders.set(epoch, orderedMs)
    if (this.#orders.size > ordersMax) this.#orders.delete(this.#orders.keys().next().value ?? 0)
  }

  /** A member acknowledges. A revocation that was ordered elsewhere, or before this process, tells nothing here. */
  acknowledged({ member, epoch, epochAgeMs }: EpochReport): void {
    const orderedMs = this.#orders.get(epoch)
    if (orderedMs === undefined || this.#members.get(member)?.epoch === epoch) return
    if (this.#members.size >= membersMax) this.#members.clear()
    this.#members.set(member, { epoch, ms: Math.max(0, this.#clock.now() - epochAgeMs - orderedMs) })
  }

  /** What is known of a member. */
  of(member: string): MemberPropagation | undefined {
    return this.#members.get(member)
  }
}
