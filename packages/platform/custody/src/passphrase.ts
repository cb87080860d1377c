import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { base64url, type Random, utf8 } from '@quantum-ip/base'
import { CustodyError } from './custody-errors.ts'
import { attempt, createFile, readIfThere } from './lib/files.ts'

/** Where a passphrase comes from: a file of its own, or a credential that systemd hands in (`LoadCredentialEncrypted=`). */
export type PassphraseSource = { readonly file: string } | { readonly systemdCredential: string }

const charsMin = 12
const charsMax = 1_024

/**
 * Reads a passphrase. A line break at the end does not count.
 *
 * @throws {CustodyError} `QIP_CUSTODY_PASSPHRASE_REFUSED` if there is none, if others may read its file, or if it is too short
 */
export async function readPassphrase(source: PassphraseSource): Promise<Uint8Array> {
  const file = 'file' in source ? source.file : credentialFile(source.systemdCredential)
  const text = await readIfThere(file)
  if (text === undefined) throw refused(`there is no file \`${file}\``)
  // systemd guards its folder by itself, and lets the group read.
  if ('file' in source && (await isExposed(file))) {
    throw refused(
      `others may read \`${file}\``,
      `chmod 600 ${file}, and change the passphrase if they might have`,
    )
  }
  const passphrase = text.replace(/\r?\n$/, '')
  if (passphrase.length < charsMin) throw refused(`\`${file}\` has fewer than ${charsMin} characters`)
  if (passphrase.length > charsMax) throw refused(`\`${file}\` has more than ${charsMax} characters`)
  return Buffer.from(passphrase, 'latin1')
}

/** Reads the passphrase that was drawn for a folder, or draws it: 256 random bits in a file for its owner alone. */
export async function readOrDrawPassphrase(
  file: string,
  random: Random,
): Promise<{ passphrase: Uint8Array; isNew: boolean }> {
  const there = await readIfThere(file)
  if (there !== undefined) return { passphrase: await readPassphrase({ file }), isNew: false }
  const text = base64url(random.bytes(32))
  // Another process may have been faster: then its passphrase counts.
  if (await createFile(file, `${text}\n`)) return { passphrase: utf8(text), isNew: true }
  return { passphrase: await readPassphrase({ file }), isNew: false }
}

function credentialFile(name: string): string {
  const folder = process.env['CREDENTIALS_DIRECTORY']
  if (folder === undefined || folder === '') {
    throw refused(
      'systemd handed in no credentials',
      `add \`LoadCredentialEncrypted=${name}\` to the service, or name a passphraseFile`,
    )
  }
  if (!/^[\w.-]{1,255}$/.test(name) || /^\.\.?$/.test(name))
    throw refused(`\`${name.slice(0, 64)}\` is no name of a credential`)
  return join(folder, name)
}

// Windows has no such bits.
function isExposed(file: string): Promise<boolean> {
  return attempt(file, async () => process.platform !== 'win32' && ((await stat(file)).mode & 0o077) !== 0)
}

function refused(reason: string, next?: string): CustodyError {
  return new CustodyError('QIP_CUSTODY_PASSPHRASE_REFUSED', { reason, ...(next !== undefined && { next }) })
}
