import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import type { Command } from 'commander'
import { readLocalLog, type LogRecord } from '@quantum-ip/telemetry'
import { CliError } from '../cli-errors.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import {
  decisionFilterQuery,
  type DecisionFilterOptions,
  withDecisionFilter,
} from '../lib/decision-filter.ts'
import { decisionMatch, spanOf } from '../lib/decision-match.ts'
import { fileReason } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { otlpLogs } from '../lib/otlp-logs.ts'
import { type Output, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { storedDecisions } from '../lib/stored-decisions.ts'

interface ExportOptions extends AuthorityOptions, DecisionFilterOptions {
  readonly format: string
  readonly out?: string
  readonly local?: string
}

const formats = new Set(['jsonl', 'otlp'])
const otlpBatch = 500

/** `qip decisions export`: decision records as a stream, from the authority or from the disk of an enforcement point. */
export function decisionsExportCommand(run: Run): Command {
  const command = newAnswer(
    'export',
    'write decision records out, the oldest first, with what was not recorded',
  )
    .option('--format <format>', 'jsonl, or otlp: lines of OTLP/JSON log requests', 'jsonl')
    .option('-o, --out <file>', 'write to this file (default: standard output)')
    .option(
      '--local <folder>',
      'read the log of an enforcement point in this folder; the authority is not asked',
    )
  return withAuthority(withDecisionFilter(command)).action((options: ExportOptions) =>
    answer(run, options, (output) => exportDecisions(run, output, options)),
  )
}

async function exportDecisions(run: Run, output: Output, options: ExportOptions): Promise<void> {
  const { format, out } = options
  if (!formats.has(format))
    throw new CliError('QIP_CLI_USAGE', {
      reason: `no format is called \`${format.slice(0, 32)}\``,
      next: 'write jsonl or otlp',
    })
  if (out === undefined && output.json)
    throw new CliError('QIP_CLI_USAGE', { reason: '--json tells of a file', next: 'name one with --out' })
  const counts = { records: 0, suppressed: 0, torn: 0 }
  const lines = linesOf(counted(recordsOf(options, counts), counts, output), format)
  await writeLines(lines, out === undefined ? run.stdout : openFile(out), out)
  output.progressDone()
  if (out === undefined) return
  output.show({ file: out, format, ...counts }, () => {
    output.line(tone('good', 'written'), plural(counts.records, 'decision', 'decisions'), 'to', out)
    if (counts.suppressed > 0)
      output.line(' ', plural(counts.suppressed, 'more was', 'more were'), 'not recorded, or not kept')
    if (counts.torn > 0)
      output.line(' ', plural(counts.torn, 'line', 'lines'), 'cut off by a crash, left out')
  })
}

type Counts = { records: number; suppressed: number; torn: number }

async function* recordsOf(options: ExportOptions, counts: Counts): AsyncGenerator<LogRecord> {
  const { local: folder } = options
  if (folder === undefined) {
    await using asked = await askAuthority(options)
    yield* storedDecisions(asked.requester, await decisionFilterQuery(asked.requester, options))
    return
  }
  const matches = decisionMatch(options)
  try {
    for await (const record of readLocalLog({ folder, ...spanOf(options), onTorn: () => void counts.torn++ }))
      if (matches(record)) yield record
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
    throw new CliError('QIP_CLI_FILE_UNREADABLE', {
      path: folder,
      what: 'decision log',
      reason: fileReason(error),
    })
  }
}

async function* counted(
  records: AsyncIterable<LogRecord>,
  counts: Counts,
  output: Output,
): AsyncGenerator<LogRecord> {
  for await (const record of records) {
    if (record.kind === 'suppressed') counts.suppressed += record.count
    else if (record.kind !== 'seal_key' && ++counts.records % 1_000 === 0)
      output.progress(`${counts.records} decisions`)
    yield record
  }
}

async function* linesOf(records: AsyncIterable<LogRecord>, format: string): AsyncGenerator<string> {
  let batch: LogRecord[] = []
  for await (const record of records) {
    if (format === 'jsonl') {
      yield JSON.stringify(record)
      continue
    }
    batch.push(record)
    if (batch.length < otlpBatch) continue
    yield otlpLogs(batch, Date.now())
    batch = []
  }
  if (batch.length > 0) yield otlpLogs(batch, Date.now())
}

// Records may say who called whom: for their owner alone.
function openFile(path: string): Writable {
  return createWriteStream(path, { mode: 0o600 })
}

async function writeLines(
  lines: AsyncIterable<string>,
  stream: Writable,
  path: string | undefined,
): Promise<void> {
  try {
    for await (const line of lines) if (!stream.write(`${line}\n`)) await once(stream, 'drain')
    if (path === undefined) return
    stream.end()
    await once(stream, 'finish')
  } catch (error) {
    if (path !== undefined) stream.destroy()
    if (path === undefined || (error as NodeJS.ErrnoException).syscall === undefined) throw error
    throw new CliError('QIP_CLI_FILE_UNWRITABLE', { path, what: 'export', reason: fileReason(error) })
  }
}
