import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Reason } from '@quantum-ip/verifier'
import { formatDecisionId } from '../decision-id.ts'
import type { DecisionSink } from '../decision-log.ts'
import { formatRecord, type LogRecord } from '../decision-record.ts'
import { DecisionStream, type Evicted } from './decision-stream.ts'
import { createLogFile } from './log-files.ts'
import type { LocalLogOptions } from './local-log-options.ts'
import { parseSegmentName } from './segment-name.ts'
import { readSentMarks, writeSentMarks } from './sent-marks.ts'
import { SuppressionSums } from './suppression-sums.ts'
import { type LogBatch, takeBatch } from './take-batch.ts'

/** What the local log says of itself. */
export interface LocalLogStatus {
  /** Bytes of the segments. */
  readonly bytes: number
  /** Bytes that were not sent yet. */
  readonly waiting: number
  /** Since the start: records on the disk, records that could not be kept, records that went before they had to be sent. */
  readonly written: number
  readonly lost: number
  readonly evicted: number
  /** Lines that a crash left unfinished. */
  readonly torn: number
}

interface Pending {
  readonly lines: string[]
  bytes: number
}

const suppressedStream = 'suppressed'
const sealKeyStream = 'seal_keys'
const chunkBytes = 256 * 1024

/** The stream of a record. */
export function streamOf(record: LogRecord): string {
  if (record.kind === 'decision') return record.reason
  return record.kind === 'suppressed' ? suppressedStream : sealKeyStream
}

/**
 * The decision log of an enforcement point on its disk: JSON lines in segments, a stream of them for each reason.
 *
 * A reason that fills its share loses its own oldest records and no others'. Whatever goes or is lost is counted, in records that
 * stand in the log themselves. Writing is on the side: nobody waits, and a disk that is full or broken costs records, never requests.
 */
export class LocalLog implements DecisionSink {
  readonly #options: LocalLogOptions
  readonly #streams = new Map<string, DecisionStream>()
  readonly #pending = new Map<string, Pending>()
  readonly #sums = new SuppressionSums()
  readonly #timer: NodeJS.Timeout
  #pendingBytes = 0
  #working: Promise<void> = Promise.resolve()
  #isBusy = false
  #written = 0
  #lost = 0
  #evicted = 0
  #torn = 0

  private constructor(options: LocalLogOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#kick(), options.writeEveryMs ?? 100).unref()
  }

  /** Opens the log in its folder, which it makes. @throws the system's error if the folder cannot be used */
  static async open(options: LocalLogOptions): Promise<LocalLog> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 })
    const log = new LocalLog(options)
    try {
      await log.#find()
    } catch (error) {
      clearInterval(log.#timer)
      throw error
    }
    return log
  }

  /** Takes a record; it is on the disk a moment later, or counted as lost where too many wait. Never throws, never waits. */
  write(record: LogRecord): void {
    const line = `${formatRecord(record)}\n`
    const { queueBytesMax = 8 * 1_048_576, onLost } = this.#options
    if (this.#pendingBytes + line.length > queueBytesMax) {
      this.#count([record], 'lost')
      if (record.kind === 'decision') onLost?.(1)
      return
    }
    const name = streamOf(record)
    let pending = this.#pending.get(name)
    if (pending === undefined) this.#pending.set(name, (pending = { lines: [], bytes: 0 }))
    pending.lines.push(line)
    pending.bytes += line.length
    this.#pendingBytes += line.length
    if (pending.bytes >= chunkBytes) this.#kick()
  }

  status(): LocalLogStatus {
    const streams = [...this.#streams.values()]
    return {
      bytes: streams.reduce((sum, { bytes }) => sum + bytes, 0),
      waiting: streams.reduce((sum, { waiting }) => sum + waiting, 0),
      written: this.#written,
      lost: this.#lost,
      evicted: this.#evicted,
      torn: this.#torn,
    }
  }

  /** Writes what waits. */
  async flush(): Promise<void> {
    await this.#work(() => this.#writeAll())
  }

  /** Records to send, of every reason some, rare ones first; `undefined` if there are none. */
  async take(countMax: number): Promise<LogBatch | undefined> {
    let batch: LogBatch | undefined
    await this.#work(async () => {
      const taken = await takeBatch(this.#options.folder, [...this.#streams.values()], countMax)
      this.#torn += taken.torn
      const { records } = taken
      if (taken.isEmpty) return
      batch = {
        records,
        done: () =>
          this.#work(async () => {
            taken.advance()
            await this.#writeMarks()
          }),
      }
    })
    return batch
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#work(async () => {
      await this.#writeAll()
      for (const stream of this.#streams.values()) await stream.rotate().catch(() => undefined)
      await this.#writeMarks()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // Writing, evicting and reading for the upload take turns: each sees whole segments.
  #work(step: () => Promise<void>): Promise<void> {
    const next = this.#working.then(step)
    this.#working = next.catch(() => undefined)
    return next
  }

  #kick(): void {
    if (this.#isBusy) return
    this.#isBusy = true
    void this.#work(() => this.#writeAll())
      .catch(() => undefined)
      .finally(() => {
        this.#isBusy = false
      })
  }

  async #writeAll(): Promise<void> {
    const nowMs = this.#options.clock.now()
    const waiting = [...this.#pending]
    this.#pending.clear()
    for (const [name, pending] of waiting) {
      await this.#writeLines(this.#stream(name), pending.lines, nowMs)
      this.#pendingBytes -= pending.bytes
    }
    for (const stream of this.#streams.values()) {
      await stream.rotateOld(nowMs).catch(() => undefined)
      while (stream.isPast(nowMs)) this.#countEvicted(stream, await stream.evict(), 'age')
    }
    await this.#writeSums(nowMs)
  }

  async #writeLines(stream: DecisionStream, lines: readonly string[], nowMs: number): Promise<boolean> {
    let isWhole = true
    for (let at = 0; at < lines.length;) {
      const chunk: string[] = []
      const from = at
      for (let bytes = 0; at < lines.length && bytes < chunkBytes; at++) {
        const line = lines[at] as string
        // A chunk is never more than the stream may hold.
        if (chunk.length > 0 && bytes + line.length > stream.limits.sizeMax / 8) break
        bytes += line.length
        chunk.push(line)
      }
      try {
        const text = Buffer.from(chunk.join(''))
        await this.#makeRoom(stream, text.length)
        await stream.append(text, nowMs)
        this.#written += at - from
      } catch {
        isWhole = false
        this.#countLines(chunk, 'lost')
      }
    }
    return isWhole
  }

  /** INVARIANT: the segments of a stream, and those of all, never hold more than their limits. */
  async #makeRoom(stream: DecisionStream, size: number): Promise<void> {
    const { sizeMax, writers = 1 } = this.#options
    const most = Math.floor(sizeMax / writers)
    if (size > Math.min(stream.limits.sizeMax, most)) throw new TypeError('it does not fit')
    while (stream.bytes + size > stream.limits.sizeMax)
      this.#countEvicted(stream, await stream.evict(), 'space')
    while (this.status().bytes + size > most) {
      const largest = [...this.#streams.values()].reduce((a, b) => (b.bytes > a.bytes ? b : a))
      this.#countEvicted(largest, await largest.evict(), 'space')
    }
  }

  #countEvicted(stream: DecisionStream, { lines, sent, fromMs }: Evicted, cause: 'space' | 'age'): void {
    if (stream.name === sealKeyStream) return
    if (stream.name === suppressedStream) {
      // Counts outlive their lines: the sums are written anew, until they are too old for anybody.
      if (cause === 'age') return
      for (const [at, line] of lines.entries()) {
        const record = parseLine(line)
        if (record?.kind === 'suppressed')
          this.#sums.add({ ...record, sent: at < sent ? record.count : (record.sent ?? 0) })
      }
      return
    }
    this.#evicted += lines.length
    this.#sums.add({ reason: stream.name as Reason, cause, count: lines.length, sent, fromMs })
  }

  #countLines(lines: readonly string[], cause: 'lost'): void {
    const records = lines.map((line) => parseLine(line)).filter((record) => record !== undefined)
    this.#count(records, cause)
    const decisions = records.filter(({ kind }) => kind === 'decision').length
    if (decisions > 0) this.#options.onLost?.(decisions)
  }

  #count(records: readonly LogRecord[], cause: 'lost'): void {
    for (const record of records) {
      if (record.kind === 'suppressed') this.#sums.add(record)
      if (record.kind !== 'decision') continue
      this.#lost++
      this.#sums.add({ reason: record.reason, cause, count: 1, fromMs: record.timeMs })
    }
  }

  async #writeSums(nowMs: number): Promise<void> {
    if (this.#sums.size === 0) return
    const { point, random } = this.#options
    const records = this.#sums.take({ point, toMs: nowMs, id: () => formatDecisionId(point, nowMs, random) })
    const lines = records.map((record) => `${formatRecord(record)}\n`)
    // What cannot be written now is in the sums again, for the next time.
    await this.#writeLines(this.#stream(suppressedStream), lines, nowMs)
  }

  #stream(name: string): DecisionStream {
    const known = this.#streams.get(name)
    if (known !== undefined) return known
    const { folder, segmentBytesMax, segmentMs, limits, perReason, writer = 0, writers = 1 } = this.#options
    const { sizeMax, keepMs } = perReason?.get(name) ?? limits
    const stream = new DecisionStream({
      folder,
      name,
      writer,
      limits: { sizeMax: Math.floor(sizeMax / writers), keepMs },
      segmentBytesMax,
      segmentMs,
      createFile: this.#options.createFile ?? createLogFile,
    })
    this.#streams.set(name, stream)
    return stream
  }

  /** Finds the segments of before. They are never continued: their last line may be torn. */
  async #find(): Promise<void> {
    const { folder, writer = 0, writers = 1 } = this.#options
    const marks = await readSentMarks(folder)
    const found = (await readdir(folder)).map((file) => ({ file, name: parseSegmentName(file) }))
    for (const { file, name } of found) {
      // With fewer threads than before, somebody has to look after the segments of those that are gone.
      if (name === undefined || name.writer % writers !== writer) continue
      const { size, mtimeMs } = await stat(join(folder, file))
      const sent = Math.min(size, marks.get(file) ?? 0)
      this.#stream(name.stream).segments.push({ ...name, file, bytes: size, sent, lastMs: mtimeMs })
    }
    for (const { segments } of this.#streams.values())
      segments.sort((a, b) => a.startMs - b.startMs || a.number - b.number)
  }

  async #writeMarks(): Promise<void> {
    const { folder, writer = 0 } = this.#options
    const segments = [...this.#streams.values()].flatMap((stream) => stream.segments)
    const marks = segments.filter(({ sent }) => sent > 0).map(({ file, sent }) => [file, sent] as const)
    await writeSentMarks(folder, writer, new Map(marks))
  }
}

function parseLine(line: string): LogRecord | undefined {
  try {
    return JSON.parse(line) as LogRecord
  } catch {
    return undefined
  }
}
