import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Session } from '@quantum-ip/client'
import { parseKemJwk, sealField } from '@quantum-ip/crypto'
import type { Config } from '@quantum-ip/http'
import {
  type Alertness,
  type DecisionKeeping,
  type DecisionKeepingOptions,
  openDecisionKeeping,
} from '@quantum-ip/point/member'
import type { Metrics } from '@quantum-ip/telemetry'
import { CliError } from '../cli-errors.ts'
import { malformedAs, readJson } from '../lib/files.ts'
import { threadsOf } from './threads-of.ts'
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

/** Where a gateway keeps its decision log. */
export function decisionFolder({ telemetry, gateway }: Config): string {
  return join(telemetry.decisions.folder, gateway.name)
}

/** Opens the decision log of a gateway thread. What was not sent when it ended last is sent now. */
export async function openDecisionPart(options: DecisionPartOptions): Promise<DecisionKeeping> {
  const { config, session, metrics, onEvent, outbox } = options
  const { redaction, seal } = await hidingOf(config)
  const local = localOptions(options)
  try {
    return await openDecisionKeeping({
      session,
      metrics,
      point: config.gateway.name,
      local,
      rates: ratesOf(options),
      redaction,
      seal,
      also: (record) => outbox.record(record),
      onFailed: (reason) => onEvent(`gateway: decision records were not sent: ${reason}`),
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown'
    throw new CliError(
      'QIP_CLI_FILE_UNREADABLE',
      { what: 'folder of decisions', path: local.folder, reason },
      { cause: error },
    )
  }
}

function localOptions({ config, thread }: DecisionPartOptions): DecisionKeepingOptions['local'] {
  const { sizeMax, segmentBytesMax, segmentMs, perReasonSizeMax, keepLocalMs, perReason } =
    config.telemetry.decisions
  return {
    folder: decisionFolder(config),
    sizeMax,
    segmentBytesMax,
    segmentMs,
    limits: { sizeMax: perReasonSizeMax, keepMs: keepLocalMs },
    perReason: new Map(
      perReason.map((row) => [row.reason, { sizeMax: row.sizeMax, keepMs: row.keepLocalMs }]),
    ),
    writer: thread,
    writers: threadsOf(config),
  }
}

/** How many are recorded: more of what is verified while something is going on. */
function ratesOf({ config, alertness }: DecisionPartOptions): DecisionKeepingOptions['rates'] {
  const { verifiedShare, incidentShare, perReasonPerSecond, perReason } = config.telemetry.decisions
  const raised = Math.max(verifiedShare, incidentShare)
  return {
    sampleRatio: () => (alertness.incident ? raised : verifiedShare),
    perReasonMax: perReasonPerSecond,
    perReason: new Map(perReason.map(({ reason, perSecond }) => [reason, perSecond])),
  }
}

async function hidingOf(config: Config): Promise<Pick<DecisionKeepingOptions, 'redaction' | 'seal'>> {
  const { redact, hashKeyFile, seal } = config.telemetry.decisions
  const fields = new Map(redact.map(({ field, method }) => [field, method]))
  const redaction = {
    fields,
    hashKey: hashKeyFile === undefined ? undefined : await readHashKey(hashKeyFile),
  }
  if (seal === undefined) return { redaction }
  const file = { path: seal.keyFile, what: "custodian's key", bytesMax: 65_536 }
  const jwk = await readJson(file)
  const key = malformedAs(file, () => parseKemJwk(jwk))
  return {
    redaction,
    seal: {
      fields: seal.fields,
      kid: key.kid,
      sealKey: ({ plaintext, aad }) => sealField({ key, plaintext, aad }),
    },
  }
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
