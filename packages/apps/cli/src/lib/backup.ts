import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JsonObject } from '@quantum-ip/base'
import {
  type BackupContents,
  type OpenedKeys,
  openKeys,
  type Restored,
  restoreStore,
} from '@quantum-ip/authority'
import { fileReason, readPassphrase, readText } from './files.ts'
import { CliError } from '../cli-errors.ts'
import type { Cell } from './output.ts'
import { plural } from './plural.ts'
import { formatMoment } from './times.ts'

/** Where the sealed keys of a backup lie. */
export function keysFileOf(file: string): string {
  return `${file}.keys`
}

/**
 * Restores a backup into a folder that is removed again, and checks all of it.
 *
 * @returns also what an authority would make of it, with the high-water marks of `highWaterFolder`
 * @throws {AuthorityError} `QIP_AUTHORITY_BACKUP_DAMAGED` · {@link CliError} `QIP_CLI_FILE_UNREADABLE`
 */
export async function checkBackup(
  file: string,
  options: Pick<Parameters<typeof restoreStore>[0], 'onProgress' | 'highWaterFolder' | 'trustDomain'> = {},
): Promise<Restored> {
  const scratch = await mkdtemp(join(tmpdir(), 'qip-backup-')).catch((cause: unknown) => {
    const reason = fileReason(cause)
    throw new CliError(
      'QIP_CLI_FILE_UNWRITABLE',
      { path: tmpdir(), what: 'temporary folder', reason },
      { cause },
    )
  })
  try {
    return await restoreStore({ ...options, file, folder: scratch, dryRun: true })
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** The keys of a backup, opened. */
export async function openSealedKeys(path: string, passphraseFile: string): Promise<OpenedKeys> {
  const text = await readText({ path, what: 'file of sealed keys' })
  return openKeys(text, await readPassphrase(passphraseFile))
}

/** What a backup holds, for programs. */
export function backupJson({ header, manifest }: BackupContents): JsonObject {
  const { tables, logs, revocations, sha256 } = manifest
  return {
    ...header,
    tables: tables.map(({ name, rows, sha256: digest }) => ({ name, rows, sha256: digest })),
    logs: logs.map(({ origin, size, root, state }) => ({ origin, size, root, state })),
    revocations,
    sha256,
  }
}

/** What a backup holds, for people. */
export function backupFacts({ header, manifest }: BackupContents): readonly (readonly [string, Cell])[] {
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0)
  return [
    ['of', header.trustDomain],
    ['as of', formatMoment(header.madeMs, Date.now())],
    ['data', `version ${header.dataVersion}, ${plural(rows, 'row', 'rows')}`],
    ...manifest.logs.map(
      ({ origin, size, state }) => ['log', `${origin}: ${size} entries, ${state}`] as const,
    ),
    ['revocations', String(manifest.revocations)],
  ]
}
