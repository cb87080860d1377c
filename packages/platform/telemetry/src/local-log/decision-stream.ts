import { readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { StreamLimits } from './local-log-options.ts'
import type { AppendFile, CreateFile } from './log-files.ts'
import { formatSegmentName, type SegmentName } from './segment-name.ts'

/** One file of a stream. */
export interface Segment extends SegmentName {
  readonly file: string
  bytes: number
  /** How far its records were sent. */
  sent: number
  lastMs: number
}

/** What went with a segment. */
export interface Evicted {
  readonly lines: readonly string[]
  /** How many of the lines, from the first on, had been sent. */
  readonly sent: number
  readonly fromMs: number
}

/** What a stream is made of. */
export interface DecisionStreamOptions {
  readonly folder: string
  readonly name: string
  readonly writer: number
  readonly limits: StreamLimits
  readonly segmentBytesMax: number
  readonly segmentMs: number
  readonly createFile: CreateFile
}

/** The segments of one reason, oldest first. One call at a time. */
export class DecisionStream {
  readonly name: string
  readonly segments: Segment[] = []
  readonly limits: StreamLimits
  readonly #options: DecisionStreamOptions
  readonly #segmentBytesMax: number
  #open: { readonly file: AppendFile; readonly segment: Segment } | undefined
  #made = 0

  constructor(options: DecisionStreamOptions) {
    this.#options = options
    this.name = options.name
    this.limits = options.limits
    this.#segmentBytesMax = Math.min(options.segmentBytesMax, Math.floor(options.limits.sizeMax / 8))
  }

  get bytes(): number {
    return this.segments.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Bytes that were not sent. */
  get waiting(): number {
    return this.segments.reduce((sum, { bytes, sent }) => sum + bytes - sent, 0)
  }

  /** Appends whole lines. What it throws, nothing of them is there, or only as a torn line. */
  async append(text: Buffer, nowMs: number): Promise<void> {
    const { segmentMs } = this.#options
    const current = this.#open?.segment
    if (
      current !== undefined &&
      (current.bytes + text.length > this.#segmentBytesMax || isOld(current, nowMs, segmentMs))
    )
      await this.rotate()
    const { file, segment } = this.#open ?? (await this.#begin(nowMs))
    try {
      await file.append(text)
    } catch (error) {
      this.#open = undefined
      await file.cut(segment.bytes).catch(() => undefined)
      await file.close().catch(() => undefined)
      throw error
    }
    segment.bytes += text.length
    segment.lastMs = nowMs
  }

  /** Ends the segment that is written to. */
  async rotate(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    await open?.file.close()
  }

  /** Ends the segment that is written to if it is old: it could else never go. */
  async rotateOld(nowMs: number): Promise<void> {
    if (this.#open !== undefined && isOld(this.#open.segment, nowMs, this.#options.segmentMs))
      await this.rotate()
  }

  /** Whether the oldest segment has nothing that is to be kept any longer. */
  isPast(nowMs: number): boolean {
    const [oldest] = this.segments
    return (
      oldest !== undefined && oldest !== this.#open?.segment && oldest.lastMs < nowMs - this.limits.keepMs
    )
  }

  /** Removes the oldest segment. */
  async evict(): Promise<Evicted> {
    const [oldest] = this.segments
    if (oldest === undefined) throw new TypeError('there is no segment')
    if (oldest === this.#open?.segment) await this.rotate()
    const path = join(this.#options.folder, oldest.file)
    const text = await readFile(path).catch(() => Buffer.alloc(0))
    const sent = text.subarray(0, oldest.sent).toString().split('\n').length - 1
    const lines = text.subarray(0, oldest.bytes).toString().split('\n').slice(0, -1)
    await unlink(path).catch(() => undefined)
    this.segments.shift()
    return { lines, sent, fromMs: oldest.startMs }
  }

  async #begin(startMs: number): Promise<{ readonly file: AppendFile; readonly segment: Segment }> {
    const { folder, name: stream, writer, createFile } = this.#options
    const name = { stream, startMs, number: ++this.#made, writer }
    const file = formatSegmentName(name)
    const segment: Segment = { ...name, file, bytes: 0, sent: 0, lastMs: startMs }
    const open = { file: await createFile(join(folder, file)), segment }
    this.segments.push(segment)
    this.#open = open
    return open
  }
}

// A clock that was set back ends a segment too.
function isOld({ startMs }: Segment, nowMs: number, segmentMs: number): boolean {
  return nowMs - startMs >= segmentMs || nowMs < startMs
}
