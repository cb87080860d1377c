import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type JsonObject, systemClock, systemRandom } from '@quantum-ip/base'
import {
  type DecisionReport,
  openDecisionUpload,
  type SealKeyReport,
  type Session,
  type SuppressionReport,
} from '@quantum-ip/client'
import { parseKemJwk, sealField } from '@quantum-ip/crypto'
import type { Config } from '@quantum-ip/http'
import {
  DecisionLog,
  decisionLogObserver,
  DecisionRedaction,
  DecisionSeals,
  type DecisionSink,
  LocalLog,
  type LogRecord,
  type Metrics,
} from '@quantum-ip/telemetry'
import { CliError } from '../cli-errors.ts'
import { malformedAs, readJson } from '../lib/files.ts'
import { threadsOf } from './threads-of.ts'
import type { Alertness } from './deep-checks.ts'
import type { OutboxPart } from './outbox-part.ts'

/** What the decision log of a thread is opened with. */
export interface DecisionPartOptions {
  readonly config: Config
  readonly session: Session
  readonly metrics: Metrics
  /** The number of this thread. */
  readonly thread: number
  readonly alertness: Pick<Alertness, 'incident'>
  readonly onEvent: (text: string) => void
  /** Gets each record, too, as it is kept. */
  readonly outbox: Pick<OutboxPart, 'record'>
}

/** The decision log of one thread: on its disk, from there to the authority. */
export interface DecisionPart extends AsyncDisposable {
  readonly decisions: DecisionLog
  readonly local: LocalLog
  /** Records that the authority has, and records that it refused, since the start. */
  uploaded(): { readonly sent: number; readonly refused: number }
}

const flushMs = 1_000

/** Where a gateway keeps its decision log. */
export function decisionFolder({ telemetry, gateway }: Config): string {
  return join(telemetry.decisions.folder, gateway.name)
}

/** Opens the decision log of a gateway thread. What was not sent when it ended last is sent now. */
export async function openDecisionPart(options: DecisionPartOptions): Promise<DecisionPart> {
  const { config, session, metrics, onEvent, outbox } = options
  await using opened = new AsyncDisposableStack()
  const observer = decisionLogObserver({ metrics, point: config.gateway.name })
  const local = opened.use(
    await openLocal(options, (count) => {
      for (let n = 0; n < count; n++) observer.lost()
    }),
  )
  const upload = openDecisionUpload(session, sourceOf(local), {
    onFailed: failureTeller((reason) => onEvent(`gateway: decision records were not sent: ${reason}`)),
  })
  opened.defer(() => upload.close(2_000))
  const decisions = new DecisionLog({
    point: config.gateway.name,
    clock: systemClock,
    random: systemRandom,
    sink: both(local, outbox),
    observer,
    windowMs: 1_000,
    ...ratesOf(options),
    ...(await hooksOf(config, local, opened)),
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

// What is sealed with a key goes to the Collector sealed; the sealed key itself is the authority's and the custodian's business.
function both(local: LocalLog, outbox: Pick<OutboxPart, 'record'>): DecisionSink {
  return {
    write(record) {
      local.write(record)
      if (record.kind !== 'seal_key') outbox.record(record)
    },
  }
}

async function openLocal(
  { config, thread }: DecisionPartOptions,
  onLost: (count: number) => void,
): Promise<LocalLog> {
  const { sizeMax, segmentBytesMax, segmentMs, perReasonSizeMax, keepLocalMs, perReason } =
    config.telemetry.decisions
  const folder = decisionFolder(config)
  try {
    return await LocalLog.open({
      folder,
      point: config.gateway.name,
      clock: systemClock,
      random: systemRandom,
      sizeMax,
      segmentBytesMax,
      segmentMs,
      limits: { sizeMax: perReasonSizeMax, keepMs: keepLocalMs },
      perReason: new Map(
        perReason.map((row) => [row.reason, { sizeMax: row.sizeMax, keepMs: row.keepLocalMs }]),
      ),
      writer: thread,
      writers: threadsOf(config),
      onLost,
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown'
    throw new CliError(
      'QIP_CLI_FILE_UNREADABLE',
      { what: 'folder of decisions', path: folder, reason },
      { cause: error },
    )
  }
}

/** How many are recorded: more of what is verified while something is going on. */
function ratesOf({ config, alertness }: DecisionPartOptions) {
  const { verifiedShare, incidentShare, perReasonPerSecond, perReason } = config.telemetry.decisions
  const raised = Math.max(verifiedShare, incidentShare)
  return {
    sampleRatio: () => (alertness.incident ? raised : verifiedShare),
    perReasonMax: perReasonPerSecond,
    perReason: new Map(perReason.map(({ reason, perSecond }) => [reason, perSecond])),
  }
}

async function hooksOf(config: Config, sink: DecisionSink, opened: AsyncDisposableStack) {
  const { redact, hashKeyFile, seal } = config.telemetry.decisions
  const fields = new Map(redact.map(({ field, method }) => [field, method]))
  // What is sealed is kept in no other form, but for a hash where one is asked for.
  for (const field of seal?.fields ?? []) if (!fields.has(field)) fields.set(field, 'drop')
  const hashKey = hashKeyFile === undefined ? undefined : await readHashKey(hashKeyFile)
  const redaction = new DecisionRedaction({ fields, hashKey })
  const redacting = {
    redact: redaction.record.bind(redaction),
    redactFacts: redaction.facts.bind(redaction),
  }
  if (seal === undefined) return fields.size === 0 ? {} : redacting
  const file = { path: seal.keyFile, what: "custodian's key", bytesMax: 65_536 }
  const jwk = await readJson(file)
  const key = malformedAs(file, () => parseKemJwk(jwk))
  const seals = opened.use(
    await DecisionSeals.open({
      point: config.gateway.name,
      clock: systemClock,
      random: systemRandom,
      fields: seal.fields,
      kid: key.kid,
      sealKey: ({ plaintext, aad }) => sealField({ key, plaintext, aad }),
      sink,
    }),
  )
  return { ...redacting, seal: seals.seal.bind(seals) }
}

async function readHashKey(path: string): Promise<Uint8Array> {
  const key = await readFile(path).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : 'unknown'
    throw new CliError('QIP_CLI_FILE_UNREADABLE', { what: 'key of hashes', path, reason })
  })
  if (key.length >= 32) return key
  throw new CliError('QIP_CLI_FILE_UNREADABLE', {
    what: 'key of hashes',
    path,
    reason: 'it has fewer than 32 bytes',
  })
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
