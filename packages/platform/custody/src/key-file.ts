import { isQipError, type JsonObject, type Random, systemRandom } from '@quantum-ip/base'
import { parsePrivateKey, type PrivateKey, type PublicKey, secretBytes } from '@quantum-ip/crypto'
import { CustodyError } from './custody-errors.ts'
import type { CustodyKey } from './custody.ts'
import { openSealedText, parseSealedText, type SealedText, sealText } from './lib/sealed-text.ts'
import { newStretching, parseStretching, stretch, stretchingJson } from './lib/stretch.ts'

/** A private key with what it is for. */
export interface PrivateCustodyKey extends CustodyKey {
  readonly key: PrivateKey
}

const aloneFormat = 'qip-key-alone-1'
const inFolderFormat = 'qip-key-1'

/**
 * Seals a private key with a passphrase into a text that stands by itself: for keys that are taken offline.
 *
 * AES-256-GCM under a key from Argon2id; thumbprint, algorithm, purpose and the parameters of Argon2id are bound to it.
 */
export async function sealKeyFile(
  { key, purpose }: Pick<PrivateCustodyKey, 'key' | 'purpose'>,
  passphrase: Uint8Array,
  random: Random = systemRandom,
): Promise<string> {
  const stretching = newStretching(random, { isRandom: false })
  return sealText({
    format: aloneFormat,
    head: { ...headOf(key.publicKey, purpose), ...stretchingJson(stretching) },
    key: await stretch(passphrase, stretching),
    secret: secretBytes(key),
    random,
  })
}

/**
 * Opens what {@link sealKeyFile} made.
 *
 * @param file for errors
 * @throws {CustodyError} `QIP_CUSTODY_FILE_DAMAGED` · `QIP_CUSTODY_PASSPHRASE_WRONG`
 */
export async function openKeyFile(
  text: string,
  passphrase: Uint8Array,
  file: string,
): Promise<PrivateCustodyKey> {
  const parsed = parseSealedText(text, { file, format: aloneFormat })
  const stretching = parseStretching(parsed.head)
  if (stretching === undefined) throw damaged(file, 'it does not say how its passphrase becomes a key')
  const secret = openSealedText(parsed, await stretch(passphrase, stretching))
  if (secret === undefined) throw new CustodyError('QIP_CUSTODY_PASSPHRASE_WRONG', { file })
  return keyOf(parsed, secret, file)
}

/** Seals a private key under the key of a folder. */
export function sealKeyInFolder(
  { key, purpose }: Pick<PrivateCustodyKey, 'key' | 'purpose'>,
  folderKey: Uint8Array,
  random: Random,
): string {
  const head = headOf(key.publicKey, purpose)
  return sealText({ format: inFolderFormat, head, key: folderKey, secret: secretBytes(key), random })
}

/** Opens what {@link sealKeyInFolder} made. @throws {CustodyError} `QIP_CUSTODY_FILE_DAMAGED` */
export function openKeyInFolder(text: string, folderKey: Uint8Array, file: string): PrivateCustodyKey {
  const parsed = parseSealedText(text, { file, format: inFolderFormat })
  const secret = openSealedText(parsed, folderKey)
  if (secret === undefined) throw damaged(file, 'it was changed, or sealed in another folder')
  return keyOf(parsed, secret, file)
}

function headOf({ kid, alg }: PublicKey, purpose: string): JsonObject {
  return { kid, alg, purpose }
}

function keyOf({ head }: SealedText, secret: Uint8Array, file: string): PrivateCustodyKey {
  const { kid, alg, purpose } = head
  if (typeof alg !== 'string' || typeof purpose !== 'string')
    throw damaged(file, 'it does not say what it holds')
  let key: PrivateKey
  try {
    key = parsePrivateKey(alg, secret, { composites: true })
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw damaged(file, `it holds no key of ${alg.slice(0, 32)}`)
  }
  if (key.publicKey.kid !== kid) throw damaged(file, 'it holds another key than it says')
  return { key, publicKey: key.publicKey, purpose }
}

function damaged(file: string, reason: string): CustodyError {
  return new CustodyError('QIP_CUSTODY_FILE_DAMAGED', { file, reason })
}
