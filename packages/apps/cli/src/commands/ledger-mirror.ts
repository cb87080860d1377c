import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { bearer, type TrustFollowerOptions } from '@quantum-ip/client'
import { createListenerTls, type Listener, type MirrorConfig } from '@quantum-ip/http'
import { directoryStore, ForkReports, type MirrorEvent, openMirror, serveMirror } from '@quantum-ip/mirror'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { type AskedAuthority, askAuthority, readCredential } from '../lib/authority.ts'
import { type TrustOptions, withTrust } from '../lib/authority-options.ts'
import { answer, newAnswer } from '../lib/command.ts'
import { fileReason } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { type Output, tone } from '../lib/output.ts'
import { parseListen } from '../lib/parse-listen.ts'
import { openPinnedStore } from '../lib/pinned-domain.ts'
import { plural } from '../lib/plural.ts'
import { untilStopped } from '../lib/until-stopped.ts'
import { showForks } from './ledger-witness.ts'

interface MirrorCommandOptions extends TrustOptions {
  readonly folder?: string
  readonly listen?: string
  readonly once?: boolean
  readonly report?: boolean
}

/** `qip ledger mirror`: a copy of all that an authority signed, for when it is away. */
export function ledgerMirrorCommand(run: Run): Command {
  return withTrust(
    newAnswer(
      'mirror',
      'mirror an authority: its logs, attestations and signed trust, checked, and served while it is away',
    ),
  )
    .option('--folder <path>', 'where it keeps them (default: `mirror.directory` of the configuration)')
    .option('--listen <address>', 'where it serves them (default: `mirror.listen` of the configuration)')
    .option('--once', 'catch up, check everything that is held, and end')
    .option('--report', 'show the forks that it was shown, with both signed checkpoints, and end')
    .action((options: MirrorCommandOptions) => {
      return answer(run, options, async (output) => {
        await using asked = await askAuthority(options)
        const config = settingsOf(asked, options)
        if (options.report === true) {
          const forks = join(config.directory, 'forks')
          return await showForks(output, new ForkReports(directoryStore(forks), forks))
        }
        // Awaited here: the way to the authority is closed when this returns.
        return await runMirror(output, { asked, options, config })
      })
    })
}

const defaults: MirrorConfig = {
  directory: './mirror',
  listen: { host: '127.0.0.1', port: 7_700 },
  tls: undefined,
  readersFile: undefined,
  checkEveryMs: 6 * 3_600_000,
}

function settingsOf({ config }: AskedAuthority, { folder, listen }: MirrorCommandOptions): MirrorConfig {
  const settings = config?.mirror ?? defaults
  return {
    ...settings,
    directory: resolve(folder ?? settings.directory),
    listen: listen === undefined ? settings.listen : parseListen(listen),
  }
}

interface Mirroring {
  readonly asked: AskedAuthority
  readonly options: MirrorCommandOptions
  readonly config: MirrorConfig
}

async function runMirror(output: Output, { asked, options, config }: Mirroring): Promise<void> {
  const { directory, checkEveryMs, readersFile } = config
  await using mirror = await openMirror({
    store: await openPinnedStore(asked, options, directory),
    session: await sessionOf(asked, options),
    directory,
    checkEveryMs,
    onEvent: (event) => tell(output, event),
  })
  output.progressDone()
  const logs = [...mirror.logs.values()].flatMap(({ origin, held }) =>
    held === undefined ? [] : [{ origin, size: held.checkpoint.size }],
  )
  const seq = mirror.trust.state?.seq ?? null
  if (options.once === true) return output.show({ logs, seq }, () => showLogs(output, logs))
  const readers = readersFile === undefined ? undefined : await readReaders(readersFile)
  const served = await serveMirror({
    mirror,
    listeners: [await listenerOf(config)],
    readers,
    observer: {
      onDefect: (error) =>
        output.note(`mirror: defect: ${error instanceof Error ? error.message : 'unknown'}`),
    },
  })
  const url = served.bound[0]?.url ?? ''
  output.show({ url, logs, seq }, () => {
    showLogs(output, logs)
    output.line(tone('good', 'mirror'), `of ${mirror.trust.td} serves ${url}`)
  })
  await untilStopped()
  await served.close()
}

/** Over the Unix socket as local admin, else with an operator's credential. */
async function sessionOf(
  { transport }: AskedAuthority,
  { credentialFile }: MirrorCommandOptions,
): Promise<TrustFollowerOptions['session']> {
  const by =
    credentialFile === undefined ? transport : bearer(transport, await readCredential(credentialFile))
  return { transport, request: (request) => by.request(request), stream: (request) => by.stream(request) }
}

async function listenerOf({ listen, tls, directory }: MirrorConfig): Promise<Listener> {
  if (tls === undefined) return listen
  return { ...listen, tls: await createListenerTls({ tls, names: ['localhost', listen.host], directory }) }
}

async function readReaders(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CliError(
      'QIP_CLI_FILE_UNREADABLE',
      { path, what: 'list of readers', reason: fileReason(cause) },
      { cause },
    )
  })
  const tokens = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (tokens.length > 0 && tokens.every((token) => /^[\u0021-\u007e]{24,1024}$/.test(token))) return tokens
  const reason = 'each line is a token of 24 and more visible characters, and there is at least one'
  throw new CliError('QIP_CLI_FILE_MALFORMED', { path, what: 'list of readers', reason })
}

function showLogs(output: Output, logs: readonly { readonly origin: string; readonly size: number }[]): void {
  output.table(
    ['log', 'held'],
    logs.map(({ origin, size }) => [origin, plural(size, 'entry', 'entries')]),
  )
}

function tell(output: Output, event: MirrorEvent): void {
  switch (event.kind) {
    case 'progress':
      output.progress(`${event.origin}: ${event.done} of ${event.total} files`)
      return
    case 'log_current':
      return
    case 'log_repaired':
      output.note(
        `mirror: ${event.origin}: ${plural(event.files, 'damaged file', 'damaged files')} fetched again`,
      )
      return
    case 'envelopes_missing':
      output.note(`mirror: ${event.origin}: ${plural(event.count, 'envelope', 'envelopes')} could not be had`)
      return
    case 'log_failed':
      output.note(`mirror: ${event.origin}: ${event.error.code}: ${event.error.message}`)
      return
    case 'trust_file_failed':
      output.note(`mirror: trust documents: ${event.error.message}`)
      return
    case 'trust':
      if ('error' in event.event) output.note(`mirror: ${event.event.kind}: ${event.event.error.message}`)
  }
}
