import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogFate, Restored, restoreStore } from '@quantum-ip/authority'
import type { Config } from '@quantum-ip/http'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { backupFacts, backupJson, checkBackup, openSealedKeys } from '../lib/backup.ts'
import { answer, newAnswer } from '../lib/command.ts'
import { readText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { type Cell, type Output, type OutputOptions, tone } from '../lib/output.ts'
import { plural } from '../lib/plural.ts'
import { readOrDefault } from '../lib/read-config.ts'

interface RestoreOptions extends OutputOptions {
  readonly config?: string
  readonly keys?: string
  readonly passphraseFile?: string
  readonly dryRun?: boolean
}

/** `qip restore <file>`: puts a backup where a stopped authority will find it. */
export function restoreCommand(run: Run): Command {
  return newAnswer('restore', 'restore a backup into an empty store, all of it checked first')
    .argument('<file>', 'a backup')
    .option('--config <file>', 'the configuration that names the store (default: quantum-ip.yaml)')
    .option('--keys <file>', 'the sealed keys of the backup, into an empty custody folder')
    .option('--passphrase-file <file>', 'with --keys: the passphrase is its first line')
    .option('--dry-run', 'check everything and say what would come of it; nothing is left behind')
    .action((file: string, options: RestoreOptions) =>
      answer(run, options, (output) => restore(output, file, options)),
    )
}

async function restore(output: Output, file: string, options: RestoreOptions): Promise<void> {
  if ((options.keys === undefined) !== (options.passphraseFile === undefined)) {
    throw new CliError('QIP_CLI_USAGE', { reason: '--keys and --passphrase-file go together' })
  }
  const { restoreKeys, restoreStore: intoStore } = await import('@quantum-ip/authority')
  const { store, custody, trustDomain } = await readOrDefault(options.config)
  // First what can fail without leaving anything: a wrong passphrase.
  const { keys, passphraseFile = '' } = options
  const opened = keys === undefined ? undefined : await openSealedKeys(keys, passphraseFile)
  const about = {
    trustDomain,
    highWaterFolder: store.highWaterDirectory,
    onProgress: (what: string, done: number) => output.progress(`${what}: ${done}`),
  }
  const isDry = options.dryRun === true
  const restored = isDry
    ? await checkBackup(file, about)
    : await intoStore({ ...about, ...(await placeOf(store)), file })
  output.progressDone()
  if (opened !== undefined && !isDry) {
    await restoreKeys(custody.directory, opened).catch(async (error: unknown) => {
      if (store.kind === 'sqlite') await rm(join(store.directory, 'authority.db'), { force: true })
      throw error
    })
  }
  tellRestored(output, restored, {
    folder: store.directory,
    keys: opened?.files.size,
    isDry: options.dryRun === true,
  })
}

async function placeOf(
  store: Config['store'],
): Promise<Pick<Parameters<typeof restoreStore>[0], 'folder' | 'postgres'>> {
  const folder = store.directory
  if (store.kind === 'sqlite') return { folder }
  const url = (await readText({ path: store.urlFile, what: 'connection URL' })).trim()
  return { folder, postgres: { url, connectionsMax: 1 } }
}

function tellRestored(
  output: Output,
  restored: Restored,
  {
    folder,
    keys,
    isDry,
  }: { readonly folder: string; readonly keys: number | undefined; readonly isDry: boolean },
): void {
  const { fates, revocationsBeside, hasMarks, entries, attestations } = restored
  const json = {
    ok: true,
    restored: !isDry,
    folder,
    entriesChecked: entries,
    attestationsChecked: attestations,
    hasMarks,
    revocationsBeside,
    keys: keys ?? null,
    fates: fates.map((fate) => ({ ...fate, signed: fate.signed ?? null, next: fate.next ?? null })),
  }
  output.show({ ...json, ...backupJson(restored) }, () => {
    if (isDry) output.line(tone('good', 'can be restored'), 'nothing was written')
    else output.line(tone('good', 'restored'), `into ${folder}`)
    output.facts([
      ...backupFacts(restored),
      [
        'checked',
        `${plural(entries, 'entry', 'entries')} hashed again, ${plural(attestations, 'attestation', 'attestations')} compared`,
      ],
      keys === undefined ? undefined : ['keys', `${keys} opened`],
    ])
    output.line('')
    output.line('When the authority starts:')
    for (const fate of fates) output.line(...fateCells(fate))
    if (revocationsBeside > 0) {
      output.line(
        ' ',
        `${plural(revocationsBeside, 'revocation', 'revocations')} made after the backup come back from the second copy`,
      )
    }
    if (!hasMarks) {
      output.line(
        tone('warn', '  there are no high-water marks:'),
        'every log closes, and what was revoked after the backup is forgotten: revoke it again',
      )
    }
  })
}

function fateCells({ origin, size, signed, fate, next }: LogFate): readonly Cell[] {
  if (fate === 'continues') return [' ', tone('good', 'goes on'), `${origin} at ${size} entries`]
  const lost =
    signed === undefined ? 'nobody knows how far it went' : `${signed - size} entries came after the backup`
  return [
    ' ',
    tone('warn', 'closes '),
    `${origin} at ${size} entries (${lost}); ${next ?? 'the next one'} opens`,
  ]
}
