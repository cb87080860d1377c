import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Json } from '@quantum-ip/base'
import {
  generatePrivateKey,
  parsePrivateJwk,
  parsePublicJwk,
  type PrivateKey,
  privateJwk,
  type PublicKey,
  publicJwk,
} from '@quantum-ip/crypto'
import { isObject } from './json.ts'
import { malformedAs, readJson, writeText } from './files.ts'

/** A pair of builder keys in files: hybrid is both of them together. */
export interface NewKeys {
  readonly signers: readonly PrivateKey[]
  readonly privateFiles: readonly string[]
  readonly publicFiles: readonly string[]
}

const algorithms = ['ML-DSA-65', 'Ed25519'] as const

/**
 * Draws a builder's two keys, ML-DSA-65 and Ed25519, and writes each as private JWK (mode 0600) and public one. Never writes over
 * a key that is there.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNWRITABLE`
 */
export async function createKeyFiles(folder: string): Promise<NewKeys> {
  const signers = algorithms.map((alg) => generatePrivateKey(alg))
  const place = (alg: string, ending: string) => join(folder, `builder-${alg.toLowerCase()}${ending}`)
  for (const signer of signers) {
    const { alg } = signer.publicKey
    const secret = `${JSON.stringify(privateJwk(signer))}\n`
    await writeText({ path: place(alg, '.private.jwk'), what: 'private key', content: secret, secret: true })
    const open = `${JSON.stringify(publicJwk(signer.publicKey))}\n`
    await writeText({ path: place(alg, '.public.jwk'), what: 'public key', content: open })
  }
  return {
    signers,
    privateFiles: algorithms.map((alg) => place(alg, '.private.jwk')),
    publicFiles: algorithms.map((alg) => place(alg, '.public.jwk')),
  }
}

/**
 * Reads a private key.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · `QIP_CLI_FILE_MALFORMED`
 */
export async function readPrivateKeyFile(path: string): Promise<PrivateKey> {
  const file = { path, what: 'private key', bytesMax: 65_536 }
  const jwk = await readJson(file)
  return malformedAs(file, () => parsePrivateJwk(jwk, { composites: true }))
}

/** Whether others than the file's owner may read it. Windows has no such bits. */
export async function isExposed(path: string): Promise<boolean> {
  return process.platform !== 'win32' && ((await stat(path)).mode & 0o077) !== 0
}

/**
 * Reads public keys: one JWK, or a JWK Set.
 *
 * @throws {CliError} `QIP_CLI_FILE_UNREADABLE` · `QIP_CLI_FILE_MALFORMED`, also for a private key: it has no business here
 */
export async function readPublicKeyFile(path: string): Promise<readonly PublicKey[]> {
  const file = { path, what: 'public key', bytesMax: 1_048_576 }
  const json = await readJson(file)
  return malformedAs(file, () => keysIn(json).map((jwk) => parsePublicJwk(jwk, { composites: true })))
}

function keysIn(json: Json): readonly Json[] {
  const set = isObject(json) ? json['keys'] : undefined
  return Array.isArray(set) ? set : [json]
}
