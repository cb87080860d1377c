/** What the name of a segment says. */
export interface SegmentName {
  /** The stream: a reason of verdicts, or what else is kept. */
  readonly stream: string
  readonly startMs: number
  /** Tells apart segments of one millisecond. */
  readonly number: number
  /** Who wrote it: the number of a thread. */
  readonly writer: number
}

const form = /^([a-z0-9_]{1,64})\.(\d{1,15})-(\d{1,9})\.(\d{1,4})\.jsonl$/

/** The file of a segment. */
export function formatSegmentName({ stream, startMs, number, writer }: SegmentName): string {
  return `${stream}.${startMs}-${number}.${writer}.jsonl`
}

/** Reads the name of a file; `undefined` where it is no segment. */
export function parseSegmentName(file: string): SegmentName | undefined {
  const [, stream, start, number, writer] = form.exec(file) ?? []
  if (stream === undefined) return undefined
  return { stream, startMs: Number(start), number: Number(number), writer: Number(writer) }
}
