import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isQipError } from '@quantum-ip/base'
import type { Config } from '@quantum-ip/http'
import type { Command } from 'commander'
import { CliError } from '../cli-errors.ts'
import { askAuthority } from '../lib/authority.ts'
import { type AuthorityOptions, withAuthority } from '../lib/authority-options.ts'
import { backupFacts, backupJson, checkBackup, keysFileOf } from '../lib/backup.ts'
import { answer, newAnswer } from '../lib/command.ts'
import { readPassphrase, writeText } from '../lib/files.ts'
import type { Run } from '../lib/io.ts'
import { type Output, type OutputOptions, tone } from '../lib/output.ts'
import { readOrDefault } from '../lib/read-config.ts'

interface BackupOptions extends AuthorityOptions {
  readonly withKeys?: boolean
  readonly passphraseFile?: string
  readonly check: boolean
}

interface VerifyOptions extends OutputOptions {
  readonly passphraseFile?: string
}

/** `qip backup <place>` and `qip backup verify <file>`. */
export function backupCommand(run: Run): Command {
  const verify = newAnswer('verify', 'restore a backup into nothing, and check all of it')
    .argument('<file>', 'a backup')
    .option('--passphrase-file <file>', 'try the keys beside it, too')
    .action((file: string, options: VerifyOptions) =>
      answer(run, options, (output) => verifyBackup(output, file, options)),
    )
  const command = newAnswer('backup', 'back up the authority, also while it runs')
    // What stands behind `verify` is for `verify`.
    .enablePositionalOptions()
    .argument('<place>', 'a file; or a folder, for a name with the moment in it')
    .option('--with-keys', 'the private keys, too, in a file of their own, sealed to a passphrase')
    .option('--passphrase-file <file>', 'with --with-keys: the passphrase is its first line')
    .option('--no-check', 'do not read the backup again')
  return withAuthority(command)
    .action((place: string, options: BackupOptions) =>
      answer(run, options, (output) => makeBackup(output, place, options)),
    )
    .addCommand(verify)
}

async function makeBackup(output: Output, place: string, options: BackupOptions): Promise<void> {
  if ((options.withKeys ?? false) !== (options.passphraseFile !== undefined)) {
    throw new CliError('QIP_CLI_USAGE', { reason: '--with-keys and --passphrase-file go together' })
  }
  const { loadBackup, readBackupFile, writeBackupFile } = await import('@quantum-ip/authority')
  const nowMs = Date.now()
  const file = await fileFor(place, nowMs)
  const started = performance.now()
  const { lines, source } = await openLines(options, nowMs)
  let bytes = 0
  const written = await writeBackupFile(
    file,
    counted(lines, (size) => {
      bytes += size
      output.progress(`${(bytes / 1_048_576).toFixed(1)} MiB of ${source}`)
    }),
  )
  output.progressDone()
  // What was cut off in between is found out here, and not on the day of the fire.
  const contents = options.check
    ? await checkBackup(file, { onProgress: (what, done) => output.progress(`checking ${what}: ${done}`) })
    : await loadBackup(readBackupFile(file))
  output.progressDone()
  const keysFile = await sealKeysBeside(file, options, nowMs)
  const tookMs = Math.round(performance.now() - started)
  const facts = { file, bytes: written, source, checked: options.check, tookMs, keysFile: keysFile ?? null }
  output.show({ ok: true, ...facts, ...backupJson(contents) }, () => {
    output.line(
      tone('good', 'backed up'),
      file,
      tone('dim', `${written} bytes in ${tookMs} ms, from ${source}`),
    )
    output.facts([
      ...backupFacts(contents),
      ['keys', keysFile ?? 'not in it; back up the custody folder apart, or use --with-keys'],
      ['not in it', 'the high-water folder: never put it back from a backup'],
    ])
  })
}

async function fileFor(place: string, nowMs: number): Promise<string> {
  const isFolder =
    place.endsWith('/') ||
    (await stat(place).then(
      (found) => found.isDirectory(),
      () => false,
    ))
  if (isFolder) {
    const moment = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')
    return join(place, `quantum-ip-${moment}.qipbackup`)
  }
  const exists = await stat(place).then(
    () => true,
    () => false,
  )
  if (!exists) return place
  throw new CliError('QIP_CLI_FILE_UNWRITABLE', { path: place, what: 'backup', reason: 'it exists already' })
}

interface OpenedLines {
  readonly lines: AsyncIterable<string | Uint8Array>
  readonly source: string
}

/** From the authority that runs; where none answers and its data lies here, from the data. */
async function openLines(options: BackupOptions, nowMs: number): Promise<OpenedLines> {
  const asked = await askAuthority(options)
  try {
    const request = { operation: 'a backup', method: 'POST', target: '/v1/backups' } as const
    const stream = await asked.requester.stream({ ...request, body: Buffer.from('{}'), idempotent: false })
    return { lines: closing(stream.body, () => asked[Symbol.asyncDispose]()), source: asked.address }
  } catch (error) {
    await asked[Symbol.asyncDispose]()
    const isNamed = options.authority !== undefined
    if (isNamed || !isQipError(error, 'QIP_CLI_UNREACHABLE')) throw error
    const { store } = asked.config ?? (await readOrDefault(options.config))
    if (store.kind !== 'sqlite') throw error
    const { backupOfFolder } = await import('@quantum-ip/authority')
    const folder = store.directory
    if (!(await stat(join(folder, 'authority.db')).catch(() => undefined))) throw error
    return { lines: backupOfFolder(folder, nowMs), source: `${folder} (no authority runs on it)` }
  }
}

async function* closing(
  lines: AsyncIterable<Uint8Array>,
  close: () => PromiseLike<void>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* lines
  } finally {
    await close()
  }
}

async function* counted(
  lines: AsyncIterable<string | Uint8Array>,
  count: (size: number) => void,
): AsyncGenerator<string | Uint8Array> {
  for await (const piece of lines) {
    count(piece.length)
    yield piece
  }
}

async function sealKeysBeside(
  file: string,
  options: BackupOptions,
  nowMs: number,
): Promise<string | undefined> {
  if (options.passphraseFile === undefined) return undefined
  const { sealKeys } = await import('@quantum-ip/authority')
  const { custody, trustDomain }: Config = await readOrDefault(options.config)
  const passphrase = await readPassphrase(options.passphraseFile)
  const content = await sealKeys(custody.directory, { passphrase, trustDomain, madeMs: nowMs })
  const path = keysFileOf(file)
  await writeText({ path, what: 'sealed keys', content, secret: true })
  return path
}

async function verifyBackup(output: Output, file: string, { passphraseFile }: VerifyOptions): Promise<void> {
  const contents = await checkBackup(file, {
    onProgress: (what, done) => output.progress(`checking ${what}: ${done}`),
  })
  output.progressDone()
  const keys = passphraseFile === undefined ? undefined : await countKeys(keysFileOf(file), passphraseFile)
  output.show({ ok: true, file, ...backupJson(contents), keys: keys ?? null }, () => {
    output.line(tone('good', 'good'), file, tone('dim', 'restored into nothing, every log hashed again'))
    output.facts([...backupFacts(contents), keys === undefined ? undefined : ['keys', `${keys} open`]])
  })
}

async function countKeys(file: string, passphraseFile: string): Promise<number> {
  const { openSealedKeys } = await import('../lib/backup.ts')
  return (await openSealedKeys(file, passphraseFile)).files.size
}
