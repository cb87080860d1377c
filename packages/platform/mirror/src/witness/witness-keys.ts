import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isQipError, parseJson, utf8 } from '@quantum-ip/base'
import {
  generatePrivateKey,
  type NoteKeyType,
  noteKeyTypes,
  parsePrivateJwk,
  type PrivateKey,
  privateJwk,
} from '@quantum-ip/crypto'
import type { NoteSigner } from '@quantum-ip/log'
import { MirrorError } from '../mirror-errors.ts'
import { directoryStore } from '../store/directory-store.ts'

const keys: readonly { readonly alg: 'ML-DSA-44' | 'Ed25519'; readonly type: NoteKeyType }[] = [
  { alg: 'ML-DSA-44', type: noteKeyTypes.mlDsa44 },
  { alg: 'Ed25519', type: noteKeyTypes.ed25519Cosignature },
]

/**
 * The two keys of a witness, ML-DSA-44 (type 06) and Ed25519 (type 04) for clients that know nothing else; made at first start, as
 * private JWKs in files with mode 0600. The name that it signs under is kept beside them: a witness has one for its whole life.
 *
 * @throws {MirrorError} `QIP_MIRROR_FILE_MALFORMED` · `QIP_MIRROR_STORE_UNAVAILABLE`
 */
export async function openWitnessKeys(
  folder: string,
  name: string | undefined,
): Promise<readonly Omit<NoteSigner, 'timestampS'>[]> {
  const own = await openName(folder, name)
  return Promise.all(
    keys.map(async ({ alg, type }) => ({ name: own, type, signer: await openKey(folder, alg) })),
  )
}

async function openName(folder: string, name: string | undefined): Promise<string> {
  const file = join(folder, 'name')
  const held = (await readOptional(file))?.trim()
  if (held === undefined) {
    if (name === undefined)
      throw malformed(file, 'it is not there: give the witness a name, such as `witness.example/1`')
    await directoryStore(folder, { mode: 0o600 }).write('name', utf8(`${name}\n`))
    return name
  }
  if (name !== undefined && name !== held)
    throw malformed(file, `this witness is \`${held}\`; another name needs other keys`)
  return held
}

async function openKey(folder: string, alg: 'ML-DSA-44' | 'Ed25519'): Promise<PrivateKey> {
  const name = `witness-${alg.toLowerCase()}.private.jwk`
  const file = join(folder, name)
  const text = await readOptional(file)
  if (text === undefined) {
    const key = generatePrivateKey(alg)
    await directoryStore(folder, { mode: 0o600 }).write(name, utf8(`${JSON.stringify(privateJwk(key))}\n`))
    return key
  }
  try {
    const key = parsePrivateJwk(parseJson(text))
    if (key.publicKey.alg === alg) return key
  } catch (error) {
    // Without its cause: what stands there is a secret.
    if (!isQipError(error)) throw error
  }
  throw malformed(file, `it is no private key of ${alg}`)
}

async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw malformed(file, `it cannot be read (${code ?? 'unknown'})`)
  }
}

function malformed(file: string, reason: string): MirrorError {
  return new MirrorError('QIP_MIRROR_FILE_MALFORMED', { file, reason })
}
