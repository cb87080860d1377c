import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Random } from '@quantum-ip/base'
import { CustodyError } from '../custody-errors.ts'
import { type PassphraseSource, readOrDrawPassphrase, readPassphrase } from '../passphrase.ts'
import { attempt, createFile, readIfThere, removeFile, replaceFile } from './files.ts'
import { openSealedText, parseSealedText, sealText } from './sealed-text.ts'
import { newStretching, parseStretching, stretch, stretchingJson } from './stretch.ts'

// The keys of a folder are sealed under one random key, and that one under the passphrase: a start derives once, however many keys
// there are, and a new passphrase rewrites one small file.

/** What the key of a folder is opened with. */
export interface FolderKeyOptions {
  readonly folder: string
  /** Absent: a random passphrase in a file beside the folder. */
  readonly passphrase: PassphraseSource | undefined
  readonly random: Random
  readonly onEvent: (event: string, detail: Readonly<Record<string, string | number>>) => void
}

const format = 'qip-custody-1'

interface Passphrase {
  readonly bytes: Uint8Array
  readonly isRandom: boolean
}

/** Where the passphrase is that is drawn when none is configured: beside the folder, so that a copy of the folder lacks it. */
export function drawnPassphraseFile(folder: string): string {
  return `${folder.replace(/[/\\]+$/, '')}.passphrase`
}

/** The key that the keys of a folder are sealed under; made where there is none. */
export async function openFolderKey(options: FolderKeyOptions): Promise<Uint8Array> {
  const file = join(options.folder, 'custody.json')
  const text = await readIfThere(file)
  if (text === undefined) return makeFolderKey(options, file)
  if (
    options.passphrase === undefined &&
    (await readIfThere(drawnPassphraseFile(options.folder))) === undefined
  ) {
    throw new CustodyError('QIP_CUSTODY_PASSPHRASE_REFUSED', {
      reason: `\`${file}\` is sealed, and no passphrase is configured`,
      next: 'name `custody.passphraseFile` or `custody.systemdCredential`, as before',
    })
  }
  const passphrase = await passphraseOf(options)
  const opened = await unwrap(text, passphrase, file)
  if (opened !== undefined) return opened
  const taken =
    options.passphrase === undefined ? undefined : await takeOver(options, { text, file, passphrase })
  if (taken === undefined) throw new CustodyError('QIP_CUSTODY_PASSPHRASE_WRONG', { file })
  return taken
}

/** Seals the key of a folder with another passphrase. */
export async function resealFolder(
  folder: string,
  { before, after }: { readonly before: Uint8Array; readonly after: Uint8Array },
  random: Random,
): Promise<void> {
  const file = join(folder, 'custody.json')
  const text = await readIfThere(file)
  if (text === undefined) {
    throw new CustodyError('QIP_CUSTODY_FILE_DAMAGED', { file, reason: 'it is missing' })
  }
  const folderKey = await unwrap(text, { bytes: before, isRandom: false }, file)
  if (folderKey === undefined) throw new CustodyError('QIP_CUSTODY_PASSPHRASE_WRONG', { file })
  await replaceFile(file, await wrap(folderKey, { bytes: after, isRandom: false }, random))
}

async function makeFolderKey(options: FolderKeyOptions, file: string): Promise<Uint8Array> {
  const names = await attempt(options.folder, () => readdir(options.folder))
  if (names.some((name) => name.endsWith('.key'))) {
    throw new CustodyError('QIP_CUSTODY_FILE_DAMAGED', {
      file,
      reason: 'it is missing, and keys are sealed with it',
    })
  }
  const passphrase = await passphraseOf(options)
  const folderKey = options.random.bytes(32)
  const text = await wrap(folderKey, passphrase, options.random)
  if (await createFile(file, text)) return folderKey
  // Another process was faster.
  return openFolderKey(options)
}

// From here on a passphrase is configured, and the folder was sealed with the one that was drawn for it.
async function takeOver(
  { folder, random, onEvent }: FolderKeyOptions,
  {
    text,
    file,
    passphrase,
  }: { readonly text: string; readonly file: string; readonly passphrase: Passphrase },
): Promise<Uint8Array | undefined> {
  const drawn = drawnPassphraseFile(folder)
  if ((await readIfThere(drawn)) === undefined) return undefined
  const folderKey = await unwrap(text, { bytes: await readPassphrase({ file: drawn }), isRandom: true }, file)
  if (folderKey === undefined) return undefined
  await replaceFile(file, await wrap(folderKey, passphrase, random))
  await removeFile(drawn)
  onEvent('custody_resealed', { folder, removed: drawn })
  return folderKey
}

async function passphraseOf({ folder, passphrase, random, onEvent }: FolderKeyOptions): Promise<Passphrase> {
  if (passphrase !== undefined) return { bytes: await readPassphrase(passphrase), isRandom: false }
  const file = drawnPassphraseFile(folder)
  const { passphrase: bytes, isNew } = await readOrDrawPassphrase(file, random)
  if (isNew) onEvent('custody_passphrase_drawn', { file })
  return { bytes, isRandom: true }
}

async function wrap(folderKey: Uint8Array, passphrase: Passphrase, random: Random): Promise<string> {
  const stretching = newStretching(random, passphrase)
  const key = await stretch(passphrase.bytes, stretching)
  return sealText({ format, head: stretchingJson(stretching), key, secret: folderKey, random })
}

async function unwrap(text: string, passphrase: Passphrase, file: string): Promise<Uint8Array | undefined> {
  const parsed = parseSealedText(text, { file, format })
  const stretching = parseStretching(parsed.head)
  if (stretching === undefined) {
    const reason = 'it does not say how its passphrase becomes a key'
    throw new CustodyError('QIP_CUSTODY_FILE_DAMAGED', { file, reason })
  }
  return openSealedText(parsed, await stretch(passphrase.bytes, stretching))
}
