import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock, Random } from '@quantum-ip/base'
import { type CredentialRecord, type CredentialStore, newCredential } from './credentials.ts'
import { HttpError } from './http-errors.ts'
import { fileReason } from './lib/file-reason.ts'
import { writeWhole } from './lib/write-whole.ts'

/** What {@link createFirstAdmin} takes. */
export interface FirstAdminOptions {
  readonly store: CredentialStore
  /** Where the credential goes, readable by its owner only. */
  readonly file: string
  readonly clock?: Clock
  readonly random?: Random
}

/**
 * Makes the first admin credential, where the store has no credential yet, and writes it to a file of mode 0600.
 *
 * The credential is never returned, so that nobody can print it. The file is durable before the record is
 * kept: after a crash between the two the next start writes another one over it.
 *
 * @returns the record, or `undefined` where there were credentials already and nothing was done.
 * @throws {HttpError} `QIP_HTTP_FILE_UNWRITABLE` if the file cannot be written.
 */
export async function createFirstAdmin(options: FirstAdminOptions): Promise<CredentialRecord | undefined> {
  const { store, file } = options
  if ((await store.list()).length > 0) return undefined
  const { record, credential } = newCredential({ ...options, name: 'first admin', role: 'admin' })
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeWhole(file, `${credential}\n`, 0o600)
  } catch (cause) {
    const reason = fileReason(cause)
    throw new HttpError(
      'QIP_HTTP_FILE_UNWRITABLE',
      { path: file, what: 'admin credential file', reason },
      { cause },
    )
  }
  await store.put(record)
  return record
}
