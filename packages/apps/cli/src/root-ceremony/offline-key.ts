import { join } from 'node:path'
import { parseUtf8 } from '@quantum-ip/base'
import { type PrivateKey, publicJwk, signVerified } from '@quantum-ip/crypto'
import { openKeyFile, readPassphrase, sealKeyFile } from '@quantum-ip/custody'
import { malformedAs, readBytes, writeText } from '../lib/files.ts'

/** A root key in a file of its own, sealed with its custodian's passphrase. */
export interface OfflineKey {
  readonly key: PrivateKey
  readonly keyFile: string
  readonly publicFile: string
}

/**
 * Seals a root key into `<folder>/<name>.key` and writes its public half beside; then opens what was written, and has it sign. Never writes
 * over a file.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNWRITABLE` · {@link CustodyError} for the passphrase
 */
export async function writeOfflineKey(
  key: PrivateKey,
  place: { readonly folder: string; readonly name: string; readonly passphraseFile: string },
): Promise<OfflineKey> {
  const keyFile = join(place.folder, `${place.name}.key`)
  const publicFile = join(place.folder, `${place.name}.public.jwk`)
  const passphrase = await readPassphrase({ file: place.passphraseFile })
  const content = await sealKeyFile({ key, purpose: 'root' }, passphrase)
  await writeText({ path: keyFile, what: 'private key', content, secret: true })
  const text = `${JSON.stringify(publicJwk(key.publicKey))}\n`
  await writeText({ path: publicFile, what: 'public key', content: text })
  // From what is on the disk: a key that cannot be opened again is worth nothing.
  await signVerified(await readOfflineKey(keyFile, place.passphraseFile), key.publicKey.bytes)
  return { key, keyFile, publicFile }
}

/** Opens a root key. @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · {@link CustodyError} */
export async function readOfflineKey(keyFile: string, passphraseFile: string): Promise<PrivateKey> {
  const file = { path: keyFile, what: 'private key', bytesMax: 65_536 }
  const bytes = await readBytes(file)
  const text = malformedAs(file, () => parseUtf8(bytes))
  const passphrase = await readPassphrase({ file: passphraseFile })
  return (await openKeyFile(text, passphrase, keyFile)).key
}
