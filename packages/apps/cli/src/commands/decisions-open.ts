import { createReadStream } from 'node:fs'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { openField, parsePrivateKemJwk } from '@quantum-ip/crypto'
import { type DecisionRecord, type LogRecord, openSealedPart, openSealKey } from '@quantum-ip/telemetry'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import type { Outcome } from '../exit-codes.ts'
import { answer, newAnswer } from '../lib/command.ts'
import { fileReason, malformedAs, readJson } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import type { Output } from '../lib/output.ts'

interface OpenOptions {
  readonly keyFile: string
  readonly json?: boolean
  readonly id?: string
}

/** `qip decisions open`: opens sealed fields with the custodian's key, here: no key and no record is sent anywhere. */
export function decisionsOpenCommand(run: Run): Command {
  return newAnswer('open', "open the sealed fields of exported records with the custodian's key, offline")
    .argument('<file>', 'of `qip decisions export`; - for standard input')
    .requiredOption('--key-file <file>', "the custodian's private key: an X-Wing JWK")
    .option('--id <decision>', 'only this decision')
    .action((file: string, options: OpenOptions) =>
      answer(run, options, (output) => openDecisions(run, output, { file, options })),
    )
}

async function openDecisions(
  run: Run,
  output: Output,
  { file, options }: { readonly file: string; readonly options: OpenOptions },
): Promise<Outcome> {
  const opener = await Opener.read(options.keyFile)
  const counts = { opened: 0, plain: 0, unopened: 0 }
  for await (const record of recordsIn(run, file)) {
    if (record.kind === 'seal_key') await opener.learn(record)
    if (record.kind !== 'decision' || (options.id !== undefined && record.id !== options.id)) continue
    const line = opener.open(record, counts)
    // With --json one object is the answer, and the records are not written.
    if (!output.json && !run.stdout.write(`${JSON.stringify(line)}\n`)) await once(run.stdout, 'drain')
  }
  if (output.json) output.show(counts, () => undefined)
  return counts.unopened === 0 ? 'ok' : 'no'
}

/** Opens sealed parts with the keys that it has come across. */
class Opener {
  readonly #key: ReturnType<typeof parsePrivateKemJwk>
  readonly #keys = new Map<string, Uint8Array>()

  private constructor(key: ReturnType<typeof parsePrivateKemJwk>) {
    this.#key = key
  }

  static async read(path: string): Promise<Opener> {
    const file = { path, what: 'private key', bytesMax: 65_536 }
    const jwk = await readJson(file)
    return new Opener(malformedAs(file, () => parsePrivateKemJwk(jwk)))
  }

  async learn(record: LogRecord & { kind: 'seal_key' }): Promise<void> {
    if (record.kid !== this.#key.publicKey.kid) return
    const open = (sealed: { readonly sealed: Uint8Array; readonly aad: Uint8Array }) =>
      openField({ key: this.#key, ...sealed })
    // One that does not open belongs to records that stay closed, and are counted.
    const key = await openSealKey(record, open).catch(() => undefined)
    if (key !== undefined) this.#keys.set(record.id, key)
  }

  open(record: DecisionRecord, counts: { opened: number; plain: number; unopened: number }): object {
    const { sealed, ...rest } = record
    if (sealed === undefined) {
      counts.plain++
      return record
    }
    const key = this.#keys.get(sealed.key)
    try {
      if (key === undefined) throw new TypeError('no such key')
      const { facts, fields } = openSealedPart(record, sealed, key)
      counts.opened++
      return { ...rest, ...fields, facts: { ...record.facts, ...facts } }
    } catch {
      counts.unopened++
      return record
    }
  }
}

async function* recordsIn(run: Run, file: string): AsyncGenerator<LogRecord> {
  const input = file === '-' ? run.stdin : createReadStream(file)
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const record = parseLine(line)
      if (record !== undefined) yield record
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
    throw new CliError('QIP_CLI_FILE_UNREADABLE', { path: file, what: 'export', reason: fileReason(error) })
  }
}

function parseLine(line: string): LogRecord | undefined {
  if (line.trim() === '') return undefined
  try {
    const record: unknown = JSON.parse(line)
    if (typeof record === 'object' && record !== null && 'kind' in record) return record as LogRecord
  } catch {
    // Told below.
  }
  throw new CliError('QIP_CLI_LINE_MALFORMED', {
    reason: 'it is no record of `qip decisions export --format jsonl`',
  })
}
