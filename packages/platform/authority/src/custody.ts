import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseJson, type Random, systemRandom } from '@quantum-ip/base'
import {
  generatePrivateKey,
  parsePrivateJwk,
  privateJwk,
  type SignatureAlgorithm,
  type Signer,
} from '@quantum-ip/crypto'
import { AuthorityError } from './authority-errors.ts'

/** Where private keys live. A key is made there, signs there, and never comes out. */
export interface KeyCustody {
  create(alg: SignatureAlgorithm): Promise<Signer>
  /** @throws {AuthorityError} `QIP_AUTHORITY_NOT_FOUND` if there is no such key. */
  open(kid: string): Promise<Signer>
  destroy(kid: string): Promise<void>
}

/**
 * Custody in files of a folder, one private JWK each, readable by their owner alone.
 *
 * @param folder is made with mode 0700 where it does not exist.
 */
export async function openFileCustody(folder: string, random: Random = systemRandom): Promise<KeyCustody> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const fileOf = (kid: string): string => join(folder, `${kid}.jwk`)
  return {
    async create(alg) {
      const key = generatePrivateKey(alg, random)
      await writeDurably(fileOf(key.publicKey.kid), `${JSON.stringify(privateJwk(key))}\n`)
      return key
    },
    async open(kid) {
      const file = fileOf(kid)
      const text = await readFile(file, 'utf8').catch((cause: unknown) => {
        throw new AuthorityError('QIP_AUTHORITY_NOT_FOUND', { what: `private key \`${kid}\`` }, { cause })
      })
      const key = parsePrivateJwk(parseJson(text))
      if (key.publicKey.kid !== kid) {
        throw new AuthorityError('QIP_AUTHORITY_FILE_DAMAGED', {
          file,
          reason: 'it holds another key than its name says',
        })
      }
      return key
    },
    async destroy(kid) {
      await rm(fileOf(kid), { force: true })
    },
  }
}

/** Writes a secret so that after a crash the file is there whole or not at all, for its owner alone. */
export async function writeDurably(file: string, text: string): Promise<void> {
  const draft = `${file}.draft`
  const handle = await open(draft, 'w', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, file)
  const folder = await open(join(file, '..'), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
