import { base64, hex, type JsonObject } from '@quantum-ip/base'
import { formatVkey, type NoteVerifierKey } from '@quantum-ip/crypto'
import { formatTlogProof, leafHash } from '@quantum-ip/log'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { askAuthority } from '../lib/authority.ts'
import { readAuthorityKeys } from '../lib/authority-trust.ts'
import { answer, newAnswer, newCommand } from '../lib/command.ts'
import { decodeEntry } from '../lib/entry-text.ts'
import { writeText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import type { VerifiedLog } from '../lib/log-reader.ts'
import { type LogChoice, withLog, withOpenLog } from '../lib/open-log.ts'
import { type Output, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { formatMoment, formatSpan } from '../lib/times.ts'
import { ledgerMirrorCommand } from './ledger-mirror.ts'
import { openRecord, type OpenOptions } from './ledger-open.ts'
import { ledgerWitnessCommand } from './ledger-witness.ts'

interface ProveOptions extends LogChoice {
  readonly out?: string
}

/** `qip ledger info|get|prove|verify|open|mirror|witness`. */
export function ledgerCommand(run: Run): Command {
  const logText = 'a log of the authority: tokens/1, attestations/1, or the whole origin'
  const info = withLog(
    newAnswer('info', 'show a log: origin, size, root, who signs it; without a name all logs'),
  )
    .argument('[log]', logText)
    .action((log: string | undefined, options: LogChoice) => {
      return answer(run, options, (output) => showInfo(output, { ...options, log }))
    })
  const get = withLog(newAnswer('get', 'show an entry, decoded, proven to be in the log'))
    .arguments('<log-and-index...>')
    .action((words: readonly string[], options: LogChoice) => {
      const { log, index } = parsePlace(words)
      return answer(run, options, (output) => {
        return withOpenLog({ ...options, log }, (opened) => showEntry(output, opened, index))
      })
    })
  const prove = withLog(
    newAnswer('prove', 'write the proof that an entry is in the log: a tlog-proof, which holds offline'),
  )
    .arguments('<log-and-index...>')
    .option('-o, --out <file>', 'the file to write; without one, it is printed')
    .action((words: readonly string[], options: ProveOptions) => {
      const { log, index } = parsePlace(words)
      return answer(run, options, (output) => {
        return withOpenLog({ ...options, log }, (opened) =>
          writeProof(output, opened, { index, out: options.out }),
        )
      })
    })
  const verify = withLog(newAnswer('verify', 'verify a log whole: every entry and every tile'))
    .argument('[log]', logText)
    .action((log: string | undefined, options: LogChoice) => {
      return answer(run, options, (output) =>
        withOpenLog({ ...options, log }, (opened) => verifyWhole(output, opened)),
      )
    })
  const open = withLog(
    newAnswer(
      'open',
      'open the sealed record of a logged token: what its hash stands for, and on what evidence',
    ),
  )
    .arguments('<log-and-index...>')
    .requiredOption(
      '--key-file <file>',
      "the key custodian's private key, which the authority drew at its first start",
    )
    .option('--show-secret', 'the nonce too: whoever has it has the token, as long as it lives')
    .action((words: readonly string[], options: OpenOptions) => {
      const { log, index } = parsePlace(words)
      return answer(run, options, (output) => {
        return withOpenLog({ ...options, log }, (opened) => openRecord(output, opened, { index, options }))
      })
    })
  return newCommand('ledger', 'look into logs, prove entries, verify whole logs')
    .addCommand(info)
    .addCommand(get)
    .addCommand(prove)
    .addCommand(verify)
    .addCommand(ledgerMirrorCommand(run))
    .addCommand(open)
    .addCommand(ledgerWitnessCommand(run))
}

/** `tokens/1 42`; `42` where --directory names the log. */
function parsePlace(words: readonly string[]): { readonly log: string | undefined; readonly index: number } {
  const [first = '', second, more] = words
  if (more !== undefined)
    throw new CliError('QIP_CLI_USAGE', { reason: 'a log and an index are all that is taken' })
  return second === undefined
    ? { log: undefined, index: parseIndex(first) }
    : { log: first, index: parseIndex(second) }
}

function parseIndex(text: string): number {
  const index = Number(text)
  if (/^\d{1,15}$/.test(text) && Number.isSafeInteger(index)) return index
  throw new CliError('QIP_CLI_USAGE', { reason: `\`${text.slice(0, 32)}\` is no index of a log` })
}

async function showInfo(output: Output, options: LogChoice): Promise<void> {
  if (options.log === undefined && options.directory === undefined) return listLogs(output, options)
  await withOpenLog(options, async ({ checkpoint }, vkeys) => {
    const { origin, size, root, signatures } = checkpoint
    const timeS = Math.max(0, ...signatures.map(({ timestampS }) => timestampS))
    const signers = signatures.map(({ key }) => `${key.name} (${key.key.alg})`)
    const json: JsonObject = {
      origin,
      size,
      root: base64(root),
      signers: [...new Set(signatures.map(({ key }) => key.name))],
      time: timeS === 0 ? null : timeS,
      vkeys: vkeys.map((vkey) => formatVkey(vkey)),
    }
    output.show(json, () => {
      output.line(tone('strong', origin))
      output.facts([
        ['size', plural(size, 'entry', 'entries')],
        ['root', base64(root)],
        ['signed by', signers.join(', ')],
        ['as of', timeS === 0 ? 'the checkpoint does not say when' : formatMoment(timeS * 1_000, Date.now())],
        ...vkeys.map((vkey, at) => [at === 0 ? 'log key' : '', shortVkey(vkey)] as const),
      ])
    })
  })
}

// An ML-DSA-44 key is 1,750 characters; whoever needs it whole asks for JSON.
function shortVkey(vkey: NoteVerifierKey): string {
  const text = formatVkey(vkey)
  return text.length > 100 ? `${text.slice(0, 60)}…  (whole with --json)` : text
}

async function listLogs(output: Output, options: LogChoice): Promise<void> {
  await using asked = await askAuthority(options)
  const nowMs = Date.now()
  const { state } = await readAuthorityKeys(asked, options, nowMs)
  const logs = [...state.logs].map(([origin, { size, hash }]) => ({ origin, size, root: base64(hash) }))
  const ageMs = Math.max(0, nowMs - state.timeMs)
  output.show({ seq: state.seq, ageMs, logs }, () => {
    output.table(
      ['log', 'size', 'root'],
      logs.map(({ origin, size, root }) => [origin, String(size), root]),
    )
    const by = `by the signed state of ${formatSpan(ageMs)} ago; \`qip ledger info <log>\` shows who signs one`
    output.line(tone('dim', by))
  })
}

async function showEntry(output: Output, log: VerifiedLog, index: number): Promise<void> {
  const { entry, proof } = await log.prove(index)
  const { json, rows } = decodeEntry(entry, Date.now())
  const { origin, size } = log.checkpoint
  output.show(
    { origin, index, ...json, leafHash: hex(leafHash(entry)), proof: proof.map(base64), size },
    () => {
      output.line(tone('strong', `${origin}, entry ${index}`))
      output.facts([
        ...rows,
        [
          'in the log',
          tone(
            'good',
            `proven by ${plural(proof.length, 'hash', 'hashes')} against the tree of ${plural(size, 'entry', 'entries')}`,
          ),
        ],
      ])
    },
  )
}

async function writeProof(
  output: Output,
  log: VerifiedLog,
  { index, out }: { readonly index: number; readonly out: string | undefined },
): Promise<void> {
  const { entry, proof } = await log.prove(index)
  const text = formatTlogProof({ index, proof, checkpoint: log.note })
  if (out !== undefined) await writeText({ path: out, what: 'proof', content: text })
  const { origin, size } = log.checkpoint
  const json = {
    origin,
    index,
    size,
    entry: base64(entry),
    ...(out === undefined ? { proof: text } : { file: out }),
  }
  output.show(json, () => {
    if (out === undefined) output.line(text.trimEnd())
    else
      output.line(
        tone('good', 'written'),
        `${out}: entry ${index} of ${origin}, against the tree of ${plural(size, 'entry', 'entries')}`,
      )
  })
}

async function verifyWhole(output: Output, log: VerifiedLog): Promise<void> {
  const { origin, size, root } = log.checkpoint
  const started = performance.now()
  const kinds = new Map<string, number>()
  await log.verifyWhole((index, entry) => {
    const kind = kindOf(entry)
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    if (index % 4_096 === 0) output.progress(`${index} of ${size} entries of ${origin}`)
  })
  output.progressDone()
  const tookMs = performance.now() - started
  output.show({ ok: true, origin, size, root: base64(root), entries: Object.fromEntries(kinds) }, () => {
    output.line(
      tone('good', 'verified'),
      tone('strong', origin),
      `whole: ${plural(size, 'entry', 'entries')}, every tile, in ${formatSpan(tookMs)}`,
    )
    output.facts([
      ['root', base64(root)],
      ...[...kinds].map(([kind, count]) => [kind, String(count)] as const),
    ])
  })
}

function kindOf(entry: Uint8Array): string {
  if (entry[0] !== 1) return 'others'
  return (
    ({ 0: 'null entries', 1: 'tokens', 2: 'JWT tokens', 0x10: 'attestations' } as Record<number, string>)[
      entry[1] ?? -1
    ] ?? 'others'
  )
}
