import {
  Cosigners,
  type CosigningEvent,
  type ObjectStore,
  type PublishingEvent,
  TilePublishing,
  type WitnessAddress,
} from '@quantum-ip/mirror'
import type { AuthorityOptions } from '../authority-options.ts'
import { LogReader, type LogReaderSource } from './log-reader.ts'

/** Where logs go beyond the authority. */
export interface LedgerOptions {
  /** Where every log is published as tiles. */
  readonly stores: readonly ObjectStore[]
  readonly witnesses: readonly WitnessAddress[]
  /** How many of them must have cosigned a checkpoint before it is shown. */
  readonly quorum: number
  /** How often logs that grew are published and cosigned. */
  readonly intervalMs: number
}

/** Told of what an operator must hear of. */
export type TellLedger = (event: string, detail: Readonly<Record<string, string | number>>) => void

/** The witnesses of an authority, where it has any. */
export function openCosigners(options: LedgerOptions | undefined, tell: TellLedger): Cosigners | undefined {
  if (options === undefined || options.witnesses.length === 0) return undefined
  const { witnesses, quorum } = options
  return new Cosigners({ witnesses, quorum, onEvent: (event) => tellCosigning(event, tell) })
}

/** The logs of an authority, for whoever reads them, and published where that is configured. */
export interface PublishedLogs extends LogReader {
  /** Stops publishing. */
  close(): Promise<void>
}

/** Opens the logs of an authority. */
export function openLogs(
  options: Pick<AuthorityOptions, 'ledger' | 'onEvent'>,
  parts: Omit<LogReaderSource, 'issuing'>,
  issuing: LogReaderSource['issuing'],
): PublishedLogs {
  const reader = new LogReader({ ...parts, issuing })
  const publishing = openPublishing(options.ledger, reader, (event, detail) =>
    options.onEvent?.(event, detail),
  )
  return Object.assign(reader, { close: async () => publishing?.close() })
}

/** Publishes the logs of an authority, and has them cosigned also where nobody asks for a checkpoint. */
function openPublishing(
  options: LedgerOptions | undefined,
  logs: LogReader,
  tell: TellLedger,
): TilePublishing | undefined {
  if (options === undefined || (options.stores.length === 0 && options.witnesses.length === 0))
    return undefined
  const { stores, intervalMs } = options
  return new TilePublishing({
    logs: () =>
      logs.list().map(({ origin, isClosed }) => ({
        origin,
        isClosed,
        open: async () => ({ note: await logs.checkpoint(origin), source: await logs.log(origin) }),
      })),
    stores,
    intervalMs,
    onEvent: (event) => tellPublishing(event, tell),
  })
}

function tellPublishing(event: PublishingEvent, tell: TellLedger): void {
  if (event.kind === 'published') return
  const { kind, origin, store, error } = event
  tell(kind, { origin, store, code: error.code, reason: error.message })
}

// 409 and 422: the witness was shown another view of this log than the authority has.
function tellCosigning(event: CosigningEvent, tell: TellLedger): void {
  const { witness, origin, error } = event
  const detail = { witness, origin, code: error.code, reason: error.message }
  if (event.kind === 'witness_unavailable') return tell(event.kind, detail)
  const isSplit = event.status === 409 || event.status === 422
  tell(isSplit ? 'log_split_view' : event.kind, { ...detail, status: event.status })
}
