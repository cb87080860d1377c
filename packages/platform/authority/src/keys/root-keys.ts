import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrustDomain } from '@quantum-ip/base'
import {
  formatEnvelope,
  generatePrivateKey,
  type PrivateKey,
  privateJwk,
  type PublicKey,
} from '@quantum-ip/crypto'
import { type RootDocument, signRootDocument } from '@quantum-ip/trust'
import { writeDurably } from '../custody.ts'

const yearS = 365 * 24 * 3_600

/** Two root keys from day one: the second is the spare that a lost or stolen first one is replaced with. */
const rootKeys = 2

/**
 * Makes the root keys of a new trust domain in `folder`, one 0600 file each, and signs the first root document with them.
 *
 * The authority never needs them again until a bundle key changes: they are meant to be taken offline.
 *
 * @returns the envelope, as JSON text
 */
export async function createRoot(
  folder: string,
  document: { readonly td: TrustDomain; readonly nowS: number; readonly bundleKeys: readonly PublicKey[] },
): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const roots: PrivateKey[] = []
  for (let number = 1; number <= rootKeys; number++) {
    const key = generatePrivateKey('ML-DSA-87')
    await writeDurably(join(folder, `root-${number}.jwk`), `${JSON.stringify(privateJwk(key))}\n`)
    roots.push(key)
  }
  const root: RootDocument = {
    td: document.td,
    sequence: 1,
    expires: document.nowS + yearS,
    roots: roots.map(({ publicKey }) => publicKey),
    threshold: 1,
    bundleKeys: document.bundleKeys,
    bundleThreshold: 1,
  }
  return formatEnvelope(await signRootDocument(root, roots))
}
