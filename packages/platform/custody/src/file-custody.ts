import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isQipError, parseJson, type Random, systemRandom } from '@quantum-ip/base'
import { generatePrivateKey, parsePrivateJwk, type PrivateKey } from '@quantum-ip/crypto'
import { CustodyError } from './custody-errors.ts'
import type { Custody, CustodyKey, KeyOrder } from './custody.ts'
import { openKeyInFolder, type PrivateCustodyKey, sealKeyInFolder } from './key-file.ts'
import { attempt, createFile, makeFolder, readIfThere, removeFile } from './lib/files.ts'
import { openFolderKey } from './lib/folder-key.ts'
import type { PassphraseSource } from './passphrase.ts'

/** How custody in files is opened. */
export interface FileCustodyOptions {
  readonly folder: string
  /**
   * What the folder is sealed with. Absent: 256 random bits in the file `<folder>.passphrase`. That keeps a copy or backup of the
   * folder alone from opening, and nothing else: whoever reads both has the keys. A passphrase that is configured later takes
   * over, and the file goes.
   */
  readonly passphrase?: PassphraseSource
  readonly random?: Random
  /** Told of what an operator must hear of: `custody_passphrase_drawn`, `custody_resealed`, `custody_plain_keys_sealed`. */
  readonly onEvent?: (event: string, detail: Readonly<Record<string, string | number>>) => void
}

/** Custody in files, which also gives private keys out: to be taken offline. */
export interface FileCustody extends Custody {
  /** @throws {CustodyError} `QIP_CUSTODY_KEY_UNKNOWN` · `QIP_CUSTODY_FILE_DAMAGED` */
  exportKey(kid: string): Promise<PrivateCustodyKey>
}

const thumbprint = /^[\w-]{43}$/

/**
 * Opens custody in a folder: one sealed file for each key, readable by their owner alone. Private keys in the clear that an older
 * version left there are sealed first.
 *
 * @throws {CustodyError} `QIP_CUSTODY_PASSPHRASE_WRONG` · `QIP_CUSTODY_PASSPHRASE_REFUSED` · `QIP_CUSTODY_FILE_DAMAGED` ·
 *   `QIP_CUSTODY_FILE_UNAVAILABLE`
 */
export async function openFileCustody(options: FileCustodyOptions): Promise<FileCustody> {
  const { folder, passphrase, random = systemRandom, onEvent = () => undefined } = options
  await makeFolder(folder)
  const folderKey = await openFolderKey({ folder, passphrase, random, onEvent })
  const custody = new FilesInFolder(folder, folderKey, random)
  const sealed = await custody.sealPlain()
  if (sealed > 0) onEvent('custody_plain_keys_sealed', { folder, count: sealed })
  return custody
}

class FilesInFolder implements FileCustody {
  readonly #folder: string
  readonly #folderKey: Uint8Array
  readonly #random: Random
  /** Opened once: a feed key signs twice a second. */
  readonly #opened = new Map<string, PrivateCustodyKey>()

  constructor(folder: string, folderKey: Uint8Array, random: Random) {
    this.#folder = folder
    this.#folderKey = folderKey
    this.#random = random
  }

  get name(): string {
    return `files in ${this.#folder}`
  }

  async create({ alg, purpose }: KeyOrder): Promise<PrivateKey['publicKey']> {
    if (!/^[a-z0-9-]{1,32}$/.test(purpose)) throw new TypeError(`\`${purpose}\` is no purpose`)
    const key = generatePrivateKey(alg, this.#random, { composites: true })
    await this.#keep({ key, publicKey: key.publicKey, purpose })
    return key.publicKey
  }

  async publicKey(kid: string): Promise<PrivateKey['publicKey']> {
    return (await this.exportKey(kid)).publicKey
  }

  async sign(kid: string, message: Uint8Array): Promise<Uint8Array> {
    return (await this.exportKey(kid)).key.sign(message)
  }

  async list(): Promise<readonly CustodyKey[]> {
    const keys: CustodyKey[] = []
    for (const kid of await this.#kids('.key')) {
      const { publicKey, purpose } = await this.exportKey(kid)
      keys.push({ publicKey, purpose })
    }
    return keys
  }

  async destroy(kid: string): Promise<void> {
    this.#opened.delete(kid)
    if (thumbprint.test(kid)) await removeFile(this.#fileOf(kid))
  }

  async exportKey(kid: string): Promise<PrivateCustodyKey> {
    const opened = this.#opened.get(kid)
    if (opened !== undefined) return opened
    // A thumbprint may come from outside; it becomes part of a path.
    const text = thumbprint.test(kid) ? await readIfThere(this.#fileOf(kid)) : undefined
    if (text === undefined) throw new CustodyError('QIP_CUSTODY_KEY_UNKNOWN', { kid, custody: this.name })
    const file = this.#fileOf(kid)
    const key = openKeyInFolder(text, this.#folderKey, file)
    if (key.publicKey.kid !== kid) {
      const reason = 'it holds another key than its name says'
      throw new CustodyError('QIP_CUSTODY_FILE_DAMAGED', { file, reason })
    }
    this.#opened.set(kid, key)
    return key
  }

  async close(): Promise<void> {
    this.#opened.clear()
    this.#folderKey.fill(0)
  }

  /** Seals keys in the clear and removes them. @returns how many there were */
  async sealPlain(): Promise<number> {
    const kids = await this.#kids('.jwk')
    for (const kid of kids) {
      const file = join(this.#folder, `${kid}.jwk`)
      const key = await readPlain(file, kid)
      // A crash may have come between sealing and removing.
      if ((await readIfThere(this.#fileOf(kid))) === undefined) {
        await this.#keep({ key, publicKey: key.publicKey, purpose: 'unknown' })
      }
      await removeFile(file)
    }
    return kids.length
  }

  async #keep(key: PrivateCustodyKey): Promise<void> {
    const { kid } = key.publicKey
    await createFile(this.#fileOf(kid), sealKeyInFolder(key, this.#folderKey, this.#random))
    this.#opened.set(kid, key)
  }

  async #kids(ending: string): Promise<readonly string[]> {
    const names = await attempt(this.#folder, () => readdir(this.#folder))
    return names
      .filter((name) => name.endsWith(ending))
      .map((name) => name.slice(0, -ending.length))
      .filter((kid) => thumbprint.test(kid))
      .sort()
  }

  #fileOf(kid: string): string {
    return join(this.#folder, `${kid}.key`)
  }
}

async function readPlain(file: string, kid: string): Promise<PrivateKey> {
  const damaged = (reason: string): CustodyError =>
    new CustodyError('QIP_CUSTODY_FILE_DAMAGED', { file, reason })
  let key: PrivateKey
  try {
    key = parsePrivateJwk(parseJson((await readIfThere(file)) ?? ''), { composites: true })
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw damaged('it is no private key')
  }
  if (key.publicKey.kid !== kid) throw damaged('it holds another key than its name says')
  return key
}
