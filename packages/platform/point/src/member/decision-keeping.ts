import { type JsonObject, systemClock, systemRandom } from '@quantum-ip/base'
import {
  type DecisionReport,
  openDecisionUpload,
  type SealKeyReport,
  type Session,
  type SuppressionReport,
} from '@quantum-ip/client'
import {
  DecisionLog,
  decisionLogObserver,
  type DecisionLogOptions,
  DecisionSeals,
  type DecisionSealsOptions,
  DecisionRedaction,
  type DecisionSink,
  LocalLog,
  type LocalLogOptions,
  type LogRecord,
  type Metrics,
  type RedactionOptions,
} from '@quantum-ip/telemetry'

/** How a point keeps its decisions. */
export interface DecisionKeepingOptions {
  readonly session: Session
  readonly metrics: Metrics
  /** Name of the point. */
  readonly point: string
  /** The log on disk. What cannot be opened rejects with what the file system says. */
  readonly local: Omit<LocalLogOptions, 'point' | 'clock' | 'random' | 'onLost'>
  /** How many are recorded. */
  readonly rates: Pick<DecisionLogOptions, 'sampleRatio' | 'perReasonMax' | 'perReason'>
  /** What is left out of records, or hashed. */
  readonly redaction?: RedactionOptions | undefined
  /** What is kept for the key custodian alone. */
  readonly seal?: Pick<DecisionSealsOptions, 'fields' | 'kid' | 'sealKey'> | undefined
  /** Gets each record, too, as it is kept; but no sealed key. */
  readonly also?: ((record: Exclude<LogRecord, { readonly kind: 'seal_key' }>) => void) | undefined
  /** Why records were not sent: once, and again when it is for another reason. */
  readonly onFailed?: (reason: string) => void
}

/** The decision log of one thread: on its disk, from there to the authority. */
export interface DecisionKeeping extends AsyncDisposable {
  readonly decisions: DecisionLog
  readonly local: LocalLog
  /** Records that the authority has, and records that it refused, since the start. */
  uploaded(): { readonly sent: number; readonly refused: number }
}

const flushMs = 1_000

/** Opens the decision log of one thread of a point. What was not sent when it ended last is sent now. */
export async function openDecisionKeeping(options: DecisionKeepingOptions): Promise<DecisionKeeping> {
  const { session, metrics, point, also, onFailed = () => undefined } = options
  await using opened = new AsyncDisposableStack()
  const observer = decisionLogObserver({ metrics, point })
  const onLost = (count: number): void => {
    for (let n = 0; n < count; n++) observer.lost()
  }
  const place = { point, clock: systemClock, random: systemRandom }
  const local = opened.use(await LocalLog.open({ ...options.local, ...place, onLost }))
  const upload = openDecisionUpload(session, sourceOf(local), { onFailed: failureTeller(onFailed) })
  opened.defer(() => upload.close(2_000))
  const decisions = new DecisionLog({
    ...place,
    sink: also === undefined ? local : both(local, also),
    observer,
    windowMs: 1_000,
    ...options.rates,
    ...(await hooksOf(options, local, opened)),
  })
  opened.defer(async () => {
    decisions.flush()
    await local.flush()
  })
  const flushing = setInterval(() => decisions.flush(), flushMs).unref()
  opened.defer(() => clearInterval(flushing))
  const owned = opened.move()
  return {
    decisions,
    local,
    uploaded: () => ({ sent: upload.sent, refused: upload.refused }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

// What is sealed with a key goes on sealed; the sealed key itself is the authority's and the custodian's business.
function both(local: LocalLog, also: NonNullable<DecisionKeepingOptions['also']>): DecisionSink {
  return {
    write(record) {
      local.write(record)
      if (record.kind !== 'seal_key') also(record)
    },
  }
}

async function hooksOf(
  { point, redaction: redact, seal }: DecisionKeepingOptions,
  sink: DecisionSink,
  opened: AsyncDisposableStack,
) {
  const fields = new Map(redact?.fields)
  // What is sealed is kept in no other form, but for a hash where one is asked for.
  for (const field of seal?.fields ?? []) if (!fields.has(field)) fields.set(field, 'drop')
  const redaction = new DecisionRedaction({ fields, hashKey: redact?.hashKey })
  const redacting = {
    redact: redaction.record.bind(redaction),
    redactFacts: redaction.facts.bind(redaction),
  }
  if (seal === undefined) return fields.size === 0 ? {} : redacting
  const place = { point, clock: systemClock, random: systemRandom }
  const seals = opened.use(await DecisionSeals.open({ ...place, ...seal, sink }))
  return { ...redacting, seal: seals.seal.bind(seals) }
}

function sourceOf(local: LocalLog) {
  return {
    async take(countMax: number) {
      const batch = await local.take(countMax)
      if (batch === undefined) return undefined
      return {
        reports: batch.records.map((record) => reportOf(record)).filter((report) => report !== undefined),
        done: () => batch.done(),
      }
    },
  }
}

function reportOf(record: LogRecord): DecisionReport | SuppressionReport | SealKeyReport | undefined {
  if (record.kind === 'seal_key') {
    const { id, timeMs, point, kid, sealed } = record
    return { id, timeMs, point, kid, sealed }
  }
  const { id, reason, point } = record
  if (record.kind === 'decision')
    return { id, timeMs: record.timeMs, reason, record: record as unknown as JsonObject }
  // What the authority has already is missing here only.
  const count = record.count - (record.sent ?? 0)
  const { fromMs, toMs } = record
  return count > 0 ? { id, point, reason, count, fromMs, toMs } : undefined
}

/** Tells a failure once, and again when it is another one. */
function failureTeller(tell: (reason: string) => void): (error: unknown) => void {
  let last = ''
  return (error) => {
    const reason = error instanceof Error ? error.message : 'unknown'
    if (reason !== last) tell(reason)
    last = reason
  }
}
