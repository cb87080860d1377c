import { systemRandom } from '@quantum-ip/base'
import { drawnPassphraseFile, resealFolder } from './lib/folder-key.ts'
import { removeFile } from './lib/files.ts'
import { type PassphraseSource, readPassphrase } from './passphrase.ts'

/** Which folder gets another passphrase. */
export interface PassphraseChange {
  readonly folder: string
  /** What it is sealed with; absent: the passphrase that was drawn for it, whose file goes. */
  readonly from?: PassphraseSource
  readonly to: PassphraseSource
}

/**
 * Seals the key of a folder with another passphrase. The keys themselves stay as they are, and an authority that runs goes on. A copy of the folder from
 * before still opens with the passphrase of before: where somebody may have both, the keys have to be replaced.
 *
 * @throws {CustodyError} `QIP_CUSTODY_PASSPHRASE_WRONG` · `QIP_CUSTODY_PASSPHRASE_REFUSED` · `QIP_CUSTODY_FILE_DAMAGED`
 */
export async function changePassphrase({ folder, from, to }: PassphraseChange): Promise<void> {
  const drawn = drawnPassphraseFile(folder)
  const before = await readPassphrase(from ?? { file: drawn })
  const after = await readPassphrase(to)
  await resealFolder(folder, { before, after }, systemRandom)
  if (from === undefined) await removeFile(drawn)
}
