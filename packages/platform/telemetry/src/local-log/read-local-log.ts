import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { LogRecord } from '../decision-record.ts'
import { parseSegmentName, type SegmentName } from './segment-name.ts'

/** What {@link readLocalLog} is told to read. */
export interface ReadLocalLogOptions {
  readonly folder: string
  /** Only records of from then on, and before then; milliseconds since 1970. */
  readonly sinceMs?: number | undefined
  readonly untilMs?: number | undefined
  /** Told of each line that cannot be read: the last one of a process that was killed. */
  readonly onTorn?: (file: string) => void
}

/**
 * The records of a local decision log, the oldest first, while it is written or after: what an enforcement point has on its disk,
 * without the authority.
 *
 * @throws the system's error if the folder cannot be read
 */
export async function* readLocalLog(options: ReadLocalLogOptions): AsyncGenerator<LogRecord> {
  const streams = new Map<string, SegmentFile[]>()
  for (const file of await readdir(options.folder)) {
    const name = parseSegmentName(file)
    if (name === undefined) continue
    const key = `${name.stream}.${name.writer}`
    const files = streams.get(key)
    if (files === undefined) streams.set(key, [{ ...name, file }])
    else files.push({ ...name, file })
  }
  yield* merged([...streams.values()].map((files) => recordsOf(files, options)))
}

interface SegmentFile extends SegmentName {
  readonly file: string
}

/** When a record was made. */
export function timeOf(record: LogRecord): number {
  return record.kind === 'suppressed' ? record.toMs : record.timeMs
}

async function* recordsOf(
  files: readonly SegmentFile[],
  { folder, sinceMs = 0, untilMs = Number.MAX_SAFE_INTEGER, onTorn }: ReadLocalLogOptions,
): AsyncGenerator<LogRecord> {
  const sorted = files.toSorted((a, b) => a.startMs - b.startMs || a.number - b.number)
  for (const [at, { file, startMs }] of sorted.entries()) {
    // What begins after the end, or ends before the beginning, need not be opened.
    const next = sorted[at + 1]?.startMs ?? Number.MAX_SAFE_INTEGER
    if (startMs - slackMs >= untilMs || next + slackMs < sinceMs) continue
    for await (const line of linesOf(join(folder, file))) {
      const record = parseLine(line)
      if (record === undefined) onTorn?.(file)
      else if (timeOf(record) >= sinceMs && timeOf(record) < untilMs) yield record
    }
  }
}

// A record is written a moment after its time.
const slackMs = 60_000

async function* linesOf(path: string): AsyncGenerator<string> {
  const input = createReadStream(path)
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  } catch (error) {
    // Removed while it was read, for its age or the room it took.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  } finally {
    input.destroy()
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

async function* merged(streams: readonly AsyncGenerator<LogRecord>[]): AsyncGenerator<LogRecord> {
  const heads: { record: LogRecord; readonly stream: AsyncGenerator<LogRecord> }[] = []
  for (const stream of streams) {
    const first = await stream.next()
    if (first.done !== true) heads.push({ record: first.value, stream })
  }
  while (heads.length > 0) {
    const head = heads.reduce((a, b) => (timeOf(b.record) < timeOf(a.record) ? b : a))
    yield head.record
    const next = await head.stream.next()
    if (next.done === true) heads.splice(heads.indexOf(head), 1)
    else head.record = next.value
  }
}
