import { argon2, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  base64,
  isQipError,
  type JsonObject,
  parseBase64,
  parseJson,
  parseUtf8,
  utf8,
} from '@quantum-ip/base'
import { AuthorityError } from '../authority-errors.ts'
import { syncFolder } from '../store/durable-file.ts'

/**
 * The files of a custody folder, sealed to a passphrase, as one line of JSON. They are sealed already; with them goes the passphrase
 * that was drawn for the folder, where none is configured: together they are the keys.
 *
 * ```
 * { "format": "quantum-ip-keys/1", "trustDomain", "madeMs", "kdf": { "memoryKiB", "passes", "lanes", "salt" }, "nonce", "sealed" }
 * sealed = AES-256-GCM(Argon2id(passphrase), nonce, JSON { files: { name: base64 … }, drawn: base64 }), all other members being authenticated with it
 * ```
 */
const keysFormat = 'quantum-ip-keys/1'

// RFC 9106, section 4: the second recommended option, for where 2 GiB cannot be had.
const kdfDefault = { memoryKiB: 65_536, passes: 3, lanes: 4 }
const tagBytes = 16
const passphraseCharsMin = 12

type Kdf = typeof kdfDefault

/** Seals all files of a custody folder. @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` if there is none */
export async function sealKeys(
  folder: string,
  { passphrase, trustDomain, madeMs }: { passphrase: string; trustDomain: string; madeMs: number },
): Promise<string> {
  if (passphrase.length < passphraseCharsMin) {
    throw new AuthorityError('QIP_AUTHORITY_BACKUP_REFUSED', {
      reason: `the passphrase has fewer than ${passphraseCharsMin} characters`,
    })
  }
  const files: JsonObject = {}
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    if (entry.isFile() && !entry.name.endsWith('.draft')) {
      files[entry.name] = base64(await readFile(join(folder, entry.name)))
    }
  }
  if (Object.keys(files).length === 0)
    throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `private key in \`${folder}\`` })
  const drawn = await readFile(drawnPassphraseOf(folder)).catch(() => undefined)
  const secret = { files, ...(drawn !== undefined && { drawn: base64(drawn) }) }
  const salt = randomBytes(16)
  const nonce = randomBytes(12)
  const head = {
    format: keysFormat,
    trustDomain,
    madeMs,
    kdf: { ...kdfDefault, salt: base64(salt) },
    nonce: base64(nonce),
  }
  const cipher = createCipheriv('aes-256-gcm', await derive(passphrase, salt, kdfDefault), nonce)
  cipher.setAAD(utf8(JSON.stringify(head)))
  const sealed = Buffer.concat([cipher.update(JSON.stringify(secret)), cipher.final(), cipher.getAuthTag()])
  return `${JSON.stringify({ ...head, sealed: base64(sealed) })}\n`
}

/** Keys that were sealed. */
export interface OpenedKeys {
  /** The files of the custody folder, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** The passphrase that was drawn for it; absent: one is configured, and needed again. */
  readonly drawn: Uint8Array | undefined
}

/**
 * Opens sealed keys.
 *
 * @throws {AuthorityError} `QIP_AUTHORITY_BACKUP_DAMAGED` for another passphrase, too: the two cannot be told apart
 */
export async function openKeys(text: string, passphrase: string): Promise<OpenedKeys> {
  try {
    const { sealed, ...head } = parseJson(text.trim()) as unknown as SealedKeys
    const { salt, memoryKiB, passes, lanes } = head.kdf
    if (head.format !== keysFormat || memoryKiB > 1_048_576 || passes > 16)
      throw new TypeError('no such form')
    const bytes = parseBase64(sealed)
    const key = await derive(passphrase, parseBase64(salt), { memoryKiB, passes, lanes })
    const decipher = createDecipheriv('aes-256-gcm', key, parseBase64(head.nonce))
    decipher.setAAD(utf8(JSON.stringify(head)))
    decipher.setAuthTag(bytes.subarray(-tagBytes))
    const plain = Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()])
    const { files, drawn } = parseJson(parseUtf8(plain)) as unknown as {
      files: Record<string, string>
      drawn?: string
    }
    return {
      files: new Map(Object.entries(files).map(([name, content]) => [fileName(name), parseBase64(content)])),
      drawn: drawn === undefined ? undefined : parseBase64(drawn),
    }
  } catch (cause) {
    if (isQipError(cause, 'QIP_AUTHORITY_BACKUP_DAMAGED')) throw cause
    const reason = 'the sealed keys do not open: another passphrase, or a damaged file'
    throw new AuthorityError('QIP_AUTHORITY_BACKUP_DAMAGED', { reason }, { cause })
  }
}

interface SealedKeys {
  readonly format: string
  readonly kdf: Kdf & { readonly salt: string }
  readonly nonce: string
  readonly sealed: string
}

/** Puts opened keys into an empty custody folder. @throws {AuthorityError} `QIP_AUTHORITY_STORE_OCCUPIED` */
export async function restoreKeys(folder: string, { files, drawn }: OpenedKeys): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  if (names.length > 0) throw new AuthorityError('QIP_AUTHORITY_STORE_OCCUPIED', { place: `\`${folder}\`` })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (drawn !== undefined) await writeSecret(drawnPassphraseOf(folder), drawn)
  for (const [name, content] of files) await writeSecret(join(folder, name), content)
  await syncFolder(folder)
}

/** As custody in files names it. */
function drawnPassphraseOf(folder: string): string {
  return `${folder.replace(/\/+$/, '')}.passphrase`
}

async function writeSecret(file: string, content: Uint8Array): Promise<void> {
  const handle = await open(file, 'w', 0o600)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

// What was sealed is one folder's files; a name that leads elsewhere is none of them.
function fileName(name: string): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}$/.test(name)) {
    throw new AuthorityError('QIP_AUTHORITY_BACKUP_DAMAGED', {
      reason: 'it names a file outside of its folder',
    })
  }
  return name
}

const argon2Async = promisify(argon2)

function derive(passphrase: string, salt: Uint8Array, { memoryKiB, passes, lanes }: Kdf): Promise<Buffer> {
  return argon2Async('argon2id', {
    message: passphrase,
    nonce: salt,
    parallelism: lanes,
    memory: memoryKiB,
    passes,
    tagLength: 32,
  })
}
