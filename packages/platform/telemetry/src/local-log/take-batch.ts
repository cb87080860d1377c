import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogRecord } from '../decision-record.ts'
import type { DecisionStream, Segment } from './decision-stream.ts'

/** Records that are to be sent. */
export interface LogBatch {
  readonly records: readonly LogRecord[]
  /** Says that they arrived, so that they are not sent again. */
  done(): Promise<void>
}

/** What was read of the streams. */
export interface TakenBatch {
  readonly records: readonly LogRecord[]
  /** Lines that a crash left unfinished. They are skipped with the batch. */
  readonly torn: number
  /** Nothing was read at all. */
  readonly isEmpty: boolean
  /** Marks all of it as sent. */
  advance(): void
}

const readBytesMax = 1_048_576
const newline = 10

/** Reads up to `countMax` records that were not sent, from the streams with the fewest first. */
export async function takeBatch(
  folder: string,
  streams: readonly DecisionStream[],
  countMax: number,
): Promise<TakenBatch> {
  const waiting = streams.filter((stream) => stream.waiting > 0).sort((a, b) => a.waiting - b.waiting)
  const records: LogRecord[] = []
  const steps: { readonly segment: Segment; readonly to: number }[] = []
  let torn = 0
  let bytesLeft = readBytesMax * 3
  for (const stream of waiting) {
    for (const segment of stream.segments) {
      if (segment.sent >= segment.bytes || records.length >= countMax || bytesLeft <= 0) continue
      const read = await readLines(folder, segment, {
        countMax: countMax - records.length,
        bytesMax: bytesLeft,
      })
      bytesLeft -= read.to - segment.sent
      torn += read.torn
      records.push(...read.records)
      steps.push({ segment, to: read.to })
    }
  }
  return {
    records,
    torn,
    isEmpty: steps.length === 0,
    advance() {
      for (const { segment, to } of steps) segment.sent = Math.max(segment.sent, to)
    },
  }
}

interface ReadLines {
  readonly records: readonly LogRecord[]
  readonly torn: number
  /** Where it goes on. */
  readonly to: number
}

async function readLines(
  folder: string,
  { file, sent, bytes }: Segment,
  { countMax, bytesMax }: { readonly countMax: number; readonly bytesMax: number },
): Promise<ReadLines> {
  const data = await readPart(join(folder, file), sent, Math.min(bytes - sent, bytesMax, readBytesMax))
  if (data === undefined) return { records: [], torn: 0, to: bytes }
  const records: LogRecord[] = []
  let torn = 0
  let at = 0
  while (at < data.length && records.length < countMax) {
    const end = data.indexOf(newline, at)
    if (end < 0) break
    const record = parseLine(data.toString('utf8', at, end))
    if (record === undefined) torn++
    else records.push(record)
    at = end + 1
  }
  const isEnd = sent + data.length >= bytes
  // The last line of a process that was killed, or one that is longer than anything that is written.
  if (records.length < countMax && at < data.length && (isEnd || at === 0))
    return { records, torn: torn + 1, to: sent + data.length }
  return { records, torn, to: sent + at }
}

async function readPart(path: string, from: number, size: number): Promise<Buffer | undefined> {
  try {
    await using handle = await open(path)
    const data = Buffer.alloc(size)
    const { bytesRead } = await handle.read(data, 0, size, from)
    return data.subarray(0, bytesRead)
  } catch {
    // Somebody removed it: there is nothing to send any more.
    return undefined
  }
}

function parseLine(line: string): LogRecord | undefined {
  try {
    const record: unknown = JSON.parse(line)
    return typeof record === 'object' && record !== null && 'kind' in record
      ? (record as LogRecord)
      : undefined
  } catch {
    return undefined
  }
}
