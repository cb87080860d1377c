import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { base64, parseBase64, parseJson, parseUtf8, utf8 } from '@quantum-ip/base'
import { AuthorityError } from '../authority-errors.ts'

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
 * Two slots, written in turn, each with a counter and a checksum: a torn write leaves the other one whole.
 *
 * ```
 * slot = sha256[32] || u32be length || JSON || zeros to 16,384 bytes
 * JSON = { "counter": n, "marks": [[origin, size, base64 hash] ...] }
 * ```
 */
export interface HighWater {
  /** The mark of a log, or `undefined` if nothing of it was ever signed here. */
  mark(origin: string): HighWaterMark | undefined
  marks(): readonly HighWaterMark[]
  /** Raises the mark of one log, durably. It never goes down. */
  raise(mark: HighWaterMark): Promise<void>
  /** Forgets a log that is closed for ever. */
  drop(origin: string): Promise<void>
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
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const handle = await open(file, 'a+', 0o600).then(async (created) => {
    await created.close()
    return open(file, 'r+')
  })
  const bytes = new Uint8Array(2 * slotBytes)
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0)
  const slots = [readSlot(bytes.subarray(0, slotBytes)), readSlot(bytes.subarray(slotBytes))]
  const latest = slots.filter((slot) => slot !== undefined).sort((a, b) => b.counter - a.counter)[0]
  if (latest === undefined && bytesRead > 0) {
    await handle.close()
    throw new AuthorityError('QIP_AUTHORITY_FILE_DAMAGED', { file, reason: 'neither of its two slots is whole' })
  }
  return new HighWaterFile(handle, latest ?? { counter: 0, marks: new Map() })
}

interface Slot {
  readonly counter: number
  readonly marks: Map<string, HighWaterMark>
}

class HighWaterFile implements HighWater {
  readonly #handle: FileHandle
  readonly #marks: Map<string, HighWaterMark>
  #counter: number
  #writing: Promise<void> = Promise.resolve()

  constructor(handle: FileHandle, { counter, marks }: Slot) {
    this.#handle = handle
    this.#counter = counter
    this.#marks = marks
  }

  mark(origin: string): HighWaterMark | undefined {
    return this.#marks.get(origin)
  }

  marks(): readonly HighWaterMark[] {
    return [...this.#marks.values()]
  }

  async raise(mark: HighWaterMark): Promise<void> {
    const known = this.#marks.get(mark.origin)
    if (known !== undefined && mark.size < known.size) {
      throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: `the high-water mark of ${mark.origin} went down` })
    }
    this.#marks.set(mark.origin, mark)
    await this.#write()
  }

  async drop(origin: string): Promise<void> {
    this.#marks.delete(origin)
    await this.#write()
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#handle.close()
  }

  // One write at a time; whatever was raised while waiting is in the next one.
  #write(): Promise<void> {
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#writeSlot())
    return this.#writing
  }

  async #writeSlot(): Promise<void> {
    this.#counter++
    const slot = formatSlot({ counter: this.#counter, marks: this.#marks })
    await this.#handle.write(slot, 0, slot.length, (this.#counter % 2) * slotBytes)
    await this.#handle.datasync()
  }
}

function formatSlot({ counter, marks }: Slot): Uint8Array {
  const rows = [...marks.values()].map(({ origin, size, hash }) => [origin, size, base64(hash)])
  const body = utf8(JSON.stringify({ counter, marks: rows }))
  if (body.length > slotBytes - headerBytes) {
    throw new AuthorityError('QIP_AUTHORITY_INVARIANT', { what: 'too many open logs for the high-water file' })
  }
  const slot = new Uint8Array(slotBytes)
  new DataView(slot.buffer).setUint32(32, body.length)
  slot.set(body, headerBytes)
  slot.set(checksum(slot))
  return slot
}

function readSlot(slot: Uint8Array): Slot | undefined {
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
