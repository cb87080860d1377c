import type { ObservedState, OneTimeUse } from '@quantum-ip/verifier'
import type { FloorCause, ReplayFault } from '../replay-observer.ts'
import { Breaker } from './breaker.ts'

/** What the store remembers a partition's tokens under. */
export interface Memory {
  /** New whenever the memory begins anew. */
  readonly id: string
  /** What was issued before was possibly used before it began; milliseconds. */
  readonly opensMs: number
  /** The replication ID of the primary that keeps it. */
  readonly replid: string
  readonly cause: FloorCause
}

const memoryForm = /^(\S+) ([0-9]+) ([0-9a-f]+) [0-9]+ ([a-z]+)$/

/** Parses the record of a partition's memory; `undefined` for what is none. */
export function parseMemory(text: unknown): Memory | undefined {
  const [, id, opens, replid, cause] = memoryForm.exec(typeof text === 'string' ? text : '') ?? []
  if (id === undefined || opens === undefined || replid === undefined) return undefined
  return { id, opensMs: Number(opens), replid, cause: cause as FloorCause }
}

/** One part of the tokens: what this verifier knows of the store's memory of them. */
export class Partition {
  readonly breaker = new Breaker({ failuresMax: 3, openMs: 500 })
  /** Why it is not asked, until it was looked at. */
  fault: ReplayFault | undefined = 'unchecked'
  #memory: Memory | undefined
  #floors: ObservedState['logs'] | undefined

  get replid(): string {
    return this.#memory?.replid ?? ''
  }

  /** Takes note of the memory; returns whether it began anew. */
  note(memory: Memory): boolean {
    if (memory.id === this.#memory?.id) return false
    this.#memory = memory
    this.#floors = undefined
    return true
  }

  /** The first state that is younger than the memory sets its floors: what a log held by then may be older than it. */
  observe(state: ObservedState, skewMs: number): void {
    if (this.#memory === undefined || this.#floors !== undefined) return
    if (state.timeMs >= this.#memory.opensMs + skewMs) this.#floors = new Map(state.logs)
  }

  /** The memory that a token is surely younger than, by its place in its log; empty where only its time can say. */
  clearOf({ log, index, issuedS }: OneTimeUse): string {
    if (this.#memory === undefined || this.#floors === undefined) return ''
    const floor = this.#floors.get(log)
    // A log that the state did not list began later.
    const isClear = floor === undefined ? issuedS * 1_000 >= this.#memory.opensMs : index >= floor.size
    return isClear ? this.#memory.id : ''
  }

  /** Whether tokens that are issued now will be taken. */
  isOpen(nowMs: number, toleranceMs: number): boolean {
    if (this.fault !== undefined || this.#memory === undefined) return false
    return this.#floors !== undefined || nowMs >= this.#memory.opensMs + toleranceMs
  }
}
