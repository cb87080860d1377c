import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { systemClock } from '@quantum-ip/base'
import { formatVkey, type NoteVerifierKey, noteVerifierKey, parseVkey } from '@quantum-ip/crypto'
import { parseCheckpoint, parseNote } from '@quantum-ip/log'
import {
  directoryStore,
  DomainLogs,
  type ForkReport,
  ForkReports,
  lockFolder,
  type LogKeys,
  openWitnessKeys,
  serveWitness,
  Witness,
  WitnessStore,
} from '@quantum-ip/mirror'
import type { Command } from 'commander'
import type { Outcome } from '../exit-codes.ts'
import { type AskedAuthority, askAuthority } from '../lib/authority.ts'
import { type TrustOptions, withTrust } from '../lib/authority-options.ts'
import { readAuthorityKeys } from '../lib/authority-trust.ts'
import { answer, newAnswer, parseWord, several } from '../lib/command.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { parseListen } from '../lib/parse-listen.ts'
import { formatTime } from '../lib/times.ts'
import { untilStopped } from '../lib/until-stopped.ts'

interface WitnessOptions extends TrustOptions {
  readonly folder: string
  readonly name?: string
  readonly listen: string
  readonly logKey?: readonly string[]
}

/** `qip ledger witness`, `… vkey` and `… report`. */
export function ledgerWitnessCommand(run: Run): Command {
  const witness = withFolder(
    withTrust(
      newAnswer('witness', 'run a witness: it cosigns checkpoints that extend all that it cosigned before'),
    ),
  )
    .option('--name <name>', 'what it signs as, `witness.example/1`; needed for the first start only')
    .option('--listen <address>', 'where it takes checkpoints', '127.0.0.1:7800')
    .option('--log-key <vkey>', 'a log by its verifier key, in place of those of a trust domain', several)
    .action((options: WitnessOptions) => answer(run, options, (output) => runWitness(output, options)))
  const vkey = withFolder(newAnswer('vkey', 'print its verifier keys; made here where there are none yet'))
    .option('--name <name>', 'what it signs as; needed where there are no keys yet')
    .action((_options: WitnessOptions, command: Command) => {
      const options = command.optsWithGlobals<WitnessOptions>()
      return answer(run, options, (output) => showVkeys(output, options))
    })
  const report = withFolder(
    newAnswer('report', 'show the forks that it was shown, with both signed checkpoints'),
  ).action((_options: WitnessOptions, command: Command) => {
    const options = command.optsWithGlobals<WitnessOptions>()
    return answer(run, options, (output) => showForks(output, new ForkReports(...forkPlace(options.folder))))
  })
  return witness.addCommand(vkey).addCommand(report)
}

function withFolder(command: Command): Command {
  return command.option('--folder <path>', 'where it keeps its keys and what it saw', './witness')
}

function forkPlace(folder: string): [ReturnType<typeof directoryStore>, string] {
  const place = join(resolve(folder), 'forks')
  return [directoryStore(place, { mode: 0o600 }), place]
}

async function runWitness(output: Output, options: WitnessOptions): Promise<void> {
  const folder = resolve(options.folder)
  const lock = await lockFolder(folder)
  await using resources = new AsyncDisposableStack()
  resources.defer(() => lock.release())
  const signers = await openWitnessKeys(folder, options.name)
  const logs = await openLogs(output, options, resources)
  const witness = new Witness({
    signers,
    logs,
    store: new WitnessStore(directoryStore(join(folder, 'seen'), { mode: 0o600 })),
    reports: new ForkReports(...forkPlace(folder)),
    clock: systemClock,
    onFork: (fork) => output.note(`witness: ${fork.code}: ${fork.message}; ${fork.next ?? ''}`),
  })
  const served = await serveWitness({
    witness,
    listeners: [parseListen(options.listen)],
    observer: {
      onDefect: (error) =>
        output.note(`witness: defect: ${error instanceof Error ? error.message : 'unknown'}`),
    },
  })
  resources.defer(() => served.close())
  const url = served.bound[0]?.url ?? ''
  output.show({ name: witness.name, url }, () => {
    output.line(
      tone('good', 'witness'),
      tone('strong', witness.name),
      `takes checkpoints at ${url}/add-checkpoint`,
    )
  })
  await untilStopped()
}

/** The logs that are witnessed: those named on the command line, else all of a trust domain. */
async function openLogs(
  output: Output,
  options: WitnessOptions,
  resources: AsyncDisposableStack,
): Promise<LogKeys> {
  const { logKey = [] } = options
  if (logKey.length > 0) return fixedLogs(logKey.map((text) => parseWord('--log-key', () => parseVkey(text))))
  const asked: AskedAuthority = resources.use(await askAuthority(options))
  const { store } = await readAuthorityKeys(asked, options, Date.now())
  return new DomainLogs({
    store,
    requester: asked.requester,
    clock: systemClock,
    onFailure: (error) => output.note(`witness: keys of the logs: ${error.message}`),
  })
}

function fixedLogs(vkeys: readonly NoteVerifierKey[]): LogKeys {
  return { keysOf: (origin) => Promise.resolve(vkeys.filter(({ name }) => name === origin)) }
}

async function showVkeys(output: Output, options: WitnessOptions): Promise<void> {
  const folder = resolve(options.folder)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const signers = await openWitnessKeys(folder, options.name)
  const rows = signers.map(({ name, type, signer }) => ({
    alg: signer.publicKey.alg,
    vkey: formatVkey(noteVerifierKey({ name, type, key: signer.publicKey })),
  }))
  output.show({ name: signers[0]?.name ?? '', vkeys: rows }, () => {
    for (const { vkey } of rows) output.line(vkey)
  })
  output.note(
    'the first is ML-DSA-44, for `ledger.witnesses` and `trust.witnesses`; Ed25519 is for clients without it',
  )
}

/** Shows forks; the exit code says whether there is one. */
export async function showForks(output: Output, reports: ForkReports): Promise<Outcome> {
  const forks = await reports.list()
  output.show({ forks: forks.map((fork) => ({ ...fork, sizes: sizesOf(fork) })) }, () => {
    if (forks.length === 0) output.line(tone('good', 'no fork was seen'))
    for (const fork of forks) showFork(output, fork)
  })
  return forks.length === 0 ? 'ok' : 'no'
}

function showFork(output: Output, fork: ForkReport): void {
  const [held, offered] = sizesOf(fork)
  output.line(tone('bad', fork.proven ? 'fork' : 'not shown to extend'), tone('strong', fork.origin))
  output.facts([
    ['seen', formatTime(fork.timeMs)],
    ['held', `${held} entries`],
    ['offered', `${offered} entries`],
    ['proven', fork.proven ? 'by the two checkpoints alone' : 'no: the proof that came with it was wrong'],
  ])
  output.line(tone('dim', 'held:'))
  output.line(shortNote(fork.held))
  output.line(tone('dim', 'offered:'))
  output.line(shortNote(fork.offered))
}

function sizesOf({ held, offered }: ForkReport): [number, number] {
  return [sizeOf(held), sizeOf(offered)]
}

function sizeOf(note: string): number {
  return parseCheckpoint(parseNote(note).text).size
}

// Whoever needs the signatures whole asks for JSON.
function shortNote(note: string): string {
  return note
    .trimEnd()
    .split('\n')
    .map((line) => `    ${line.length > 100 ? `${line.slice(0, 96)}…` : line}`)
    .join('\n')
}
