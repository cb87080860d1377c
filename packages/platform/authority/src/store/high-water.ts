import { createHash } from 'node:crypto'
import { base64, parseBase64, parseJson, parseUtf8, utf8 } from '@quantum-ip/base'
import { emptyRoot } from '@quantum-ip/log'
import { AuthorityError } from '../authority-errors.ts'
import { type DurableFile, openDurableFile } from './durable-file.ts'

/** How far a log was ever grown in this place: the tree that was about to be signed. */
export interface HighWaterMark {
  readonly origin: string
  readonly size: number
  readonly hash: Uint8Array
}

/**
 * The marks that are kept outside the store (invariant 2): after a restored backup or a lost commit the store may know
 * less than was signed, and only this file tells.
 *
 * A log has a mark from before its key is made until it is closed for ever. One without a mark is not written to: it was
 * closed, and a store that thinks otherwise is older than that. The highest number keeps its mark, so that none is used again.
 *
 * Two slots, written in turn, each with a counter and a checksum: a torn write leaves the other one whole.
 *
 * ```
 * slot = sha256[32] || u32be length || JSON || zeros to 16,384 bytes
 * JSON = { "counter": n, "marks": [[origin, size, base64 hash] ...] }
 * ```
 */
export interface HighWater {
  /** The mark of a log as it is on disk; `undefined`: the log is closed, or was never opened here. */
  mark(origin: string): HighWaterMark | undefined
  /** All marks, those included that are being written. */
  marks(): readonly HighWaterMark[]
  /** Keeps the name of a log that is about to be made, durably: a mark of size 0. */
  reserve(origin: string): Promise<void>
  /** Raises the mark of one log, durably. It never goes down. */
  raise(mark: HighWaterMark): Promise<void>
  /** Forgets logs that are closed for ever. */
  drop(origins: readonly string[]): Promise<void>
  close(): Promise<void>
}

const slotBytes = 16_384
const headerBytes = 36

/**
 * Opens the marks in `file`, or starts them where there is no such file.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_FILE_DAMAGED` if neither slot is whole.
 */
export async function openHighWater(file: string): Promise<HighWater> {
  return readHighWater(await openDurableFile(file))
}

/** As {@link openHighWater}, over an open file, which is closed with the marks. */
export async function readHighWater(file: DurableFile): Promise<HighWater> {
  try {
    const bytes = await file.read()
    const slots = [readSlot(bytes.subarray(0, slotBytes)), readSlot(bytes.subarray(slotBytes))]
    const latest = slots.filter((slot) => slot !== undefined).sort((a, b) => b.counter - a.counter)[0]
    // A first write that was torn has zeros in the other slot; it was not acknowledged either.
    if (latest === undefined && bytes.subarray(0, slotBytes).some((byte) => byte !== 0)) {
      throw new AuthorityError('QIP_AUTHORITY_FILE_DAMAGED', {
        file: file.name,
        reason: 'neither of its two slots is whole',
        next: 'move it away and start again: every open log is closed then, and the next ones are opened',
      })
    }
    return new HighWaterFile(file, latest ?? { counter: 0, marks: new Map() })
  } catch (error) {
    await file.close()
    throw error
  }
}

interface Slot {
  readonly counter: number
  readonly marks: ReadonlyMap<string, HighWaterMark>
}

class HighWaterFile implements HighWater {
  readonly #file: DurableFile
  /** As they are to be; `#durable`, as they are on disk. */
  readonly #marks: Map<string, HighWaterMark>
  #durable: ReadonlyMap<string, HighWaterMark>
  #counter: number
  #writing: Promise<void> = Promise.resolve()

  constructor(file: DurableFile, { counter, marks }: Slot) {
    this.#file = file
    this.#counter = counter
    this.#marks = new Map(marks)
    this.#durable = marks
  }

  mark(origin: string): HighWaterMark | undefined {
    return this.#durable.get(origin)
  }

  marks(): readonly HighWaterMark[] {
    return [...this.#marks.values()]
  }

  async reserve(origin: string): Promise<void> {
    if (this.#marks.has(origin)) {
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: `the name ${origin} is used again` })
    }
    await this.raise({ origin, size: 0, hash: emptyRoot() })
  }

  async raise(mark: HighWaterMark): Promise<void> {
    const known = this.#marks.get(mark.origin)
    if (known !== undefined && mark.size < known.size) {
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', {
        what: `the high-water mark of ${mark.origin} went down`,
      })
    }
    this.#marks.set(mark.origin, mark)
    await this.#write()
  }

  async drop(origins: readonly string[]): Promise<void> {
    for (const origin of origins) this.#marks.delete(origin)
    await this.#write()
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => undefined)
    await this.#file.close()
  }

  // One write at a time; whatever was raised while waiting is in the next one.
  #write(): Promise<void> {
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#writeSlot())
    return this.#writing
  }

  async #writeSlot(): Promise<void> {
    const slot = { counter: this.#counter + 1, marks: new Map(this.#marks) }
    // A write that failed may have torn its slot: the next one goes to the same slot, the other is the only whole one.
    await this.#file.write(formatSlot(slot), (slot.counter % 2) * slotBytes)
    await this.#file.sync()
    this.#counter = slot.counter
    this.#durable = slot.marks
  }
}

function formatSlot({ counter, marks }: Slot): Uint8Array {
  const rows = [...marks.values()].map(({ origin, size, hash }) => [origin, size, base64(hash)])
  const body = utf8(JSON.stringify({ counter, marks: rows }))
  if (body.length > slotBytes - headerBytes) {
    throw new AuthorityError('QIP_AUTHORITY_INVARIANT', {
      what: 'too many open logs for the high-water file',
    })
  }
  const slot = new Uint8Array(slotBytes)
  new DataView(slot.buffer).setUint32(32, body.length)
  slot.set(body, headerBytes)
  slot.set(checksum(slot))
  return slot
}

function readSlot(slot: Uint8Array): Slot | undefined {
  if (slot.length < slotBytes) return undefined
  const length = new DataView(slot.buffer, slot.byteOffset).getUint32(32)
  if (length === 0 || length > slotBytes - headerBytes) return undefined
  if (!checksum(slot).every((byte, i) => byte === slot[i])) return undefined
  const { counter, marks } = parseJson(parseUtf8(slot.subarray(headerBytes, headerBytes + length))) as {
    counter: number
    marks: [string, number, string][]
  }
  const entries = marks.map(
    ([origin, size, hash]) => [origin, { origin, size, hash: parseBase64(hash) }] as const,
  )
  return { counter, marks: new Map(entries) }
}

function checksum(slot: Uint8Array): Uint8Array {
  return createHash('sha256').update(slot.subarray(32)).digest()
}
