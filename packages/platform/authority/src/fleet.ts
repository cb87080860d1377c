import type { Clock, ServiceId } from '@quantum-ip/base'

/** What a fleet member says that it holds. */
export interface Acknowledgement {
  /** Number of the state in force there. */
  readonly seq: number
  readonly epoch: number
  readonly bundleSequence: number
  /** Name of the enforcement point. */
  readonly point: string
  readonly region?: string
}

/** A member of the fleet, and when it was last heard of. */
export interface FleetMember extends Acknowledgement {
  readonly sid: ServiceId
  readonly session: string
  readonly seenMs: number
}

/** A member that was not heard of for so long is gone. */
const leaseMs = 60_000

/** Who follows the trust state, and how far each one is. Derived: members tell it again within seconds. */
export class Fleet {
  readonly #clock: Clock
  readonly #members = new Map<string, FleetMember>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  acknowledge(member: { readonly sid: ServiceId; readonly session: string }, told: Acknowledgement): void {
    this.#members.set(`${member.session} ${told.point}`, { ...member, ...told, seenMs: this.#clock.now() })
  }

  list(): readonly FleetMember[] {
    const from = this.#clock.now() - leaseMs
    for (const [key, { seenMs }] of this.#members) if (seenMs < from) this.#members.delete(key)
    return [...this.#members.values()]
  }
}
