import type { Seeded } from '@quantum-ip/testing'

const sectorBytes = 512

type Change =
  | { readonly kind: 'write'; readonly bytes: Uint8Array; readonly position: number }
  | { readonly kind: 'truncate'; readonly size: number }

/** A file of a machine: what everybody sees, and what of it is on the disk. */
export class SimulatedFile {
  #seen: Uint8Array = new Uint8Array()
  #durable: Uint8Array = new Uint8Array()
  #unsynced: Change[] = []

  constructor(durable: Uint8Array = new Uint8Array()) {
    this.#seen = durable
    this.#durable = durable
  }

  read(): Uint8Array {
    return Uint8Array.from(this.#seen)
  }

  write(bytes: Uint8Array, position: number): void {
    this.#change({ kind: 'write', bytes: Uint8Array.from(bytes), position })
  }

  truncate(size: number): void {
    this.#change({ kind: 'truncate', size })
  }

  sync(): void {
    this.#durable = this.#seen
    this.#unsynced = []
  }

  /** Of what was not synced some sectors are written, some are not; in no order. */
  powerLoss(random: Seeded): void {
    for (const change of this.#unsynced) {
      if (change.kind === 'truncate') {
        if (random.chance(0.5)) this.#durable = applied(this.#durable, change)
        continue
      }
      for (let at = 0; at < change.bytes.length; at += sectorBytes) {
        if (random.chance(0.5)) continue
        const bytes = change.bytes.subarray(at, at + sectorBytes)
        this.#durable = applied(this.#durable, { kind: 'write', bytes, position: change.position + at })
      }
    }
    this.#unsynced = []
    this.#seen = this.#durable
  }

  #change(change: Change): void {
    this.#seen = applied(this.#seen, change)
    this.#unsynced.push(change)
  }
}

function applied(before: Uint8Array, change: Change): Uint8Array {
  if (change.kind === 'truncate') return before.slice(0, change.size)
  const after = new Uint8Array(Math.max(before.length, change.position + change.bytes.length))
  after.set(before)
  after.set(change.bytes, change.position)
  return after
}
