import type { Clock, Random } from '@quantum-ip/base'
import type { CreateFile } from './log-files.ts'

/** How much of one reason is kept. */
export interface StreamLimits {
  /** Bytes of its segments. */
  readonly sizeMax: number
  /** Milliseconds that a record is kept. */
  readonly keepMs: number
}

/** How the local decision log is kept. */
export interface LocalLogOptions {
  readonly folder: string
  /** Name of the enforcement point, for the IDs of what is counted. */
  readonly point: string
  readonly clock: Clock
  readonly random: Random
  /** Bytes of all segments of all writers. */
  readonly sizeMax: number
  /** Bytes after which a segment ends; less where a reason may keep less than eight of them. */
  readonly segmentBytesMax: number
  /** Milliseconds after which a segment ends. */
  readonly segmentMs: number
  /** For every reason that `perReason` does not name. */
  readonly limits: StreamLimits
  readonly perReason?: ReadonlyMap<string, StreamLimits>
  /** The number of this writer, and how many share the folder. Default: the only one. */
  readonly writer?: number
  readonly writers?: number
  /** Bytes that wait to be written, at most: more are lost, for no request waits. Default 8 MiB. */
  readonly queueBytesMax?: number
  /** Milliseconds between two writes. Default 100. */
  readonly writeEveryMs?: number
  readonly createFile?: CreateFile
  /** Told of records that could not be kept: the queue or the disk was full. */
  readonly onLost?: (count: number) => void
}
