import type { TrustDomain } from '@quantum-ip/base'
import { formatEnvelope, type PublicKey, type Signer } from '@quantum-ip/crypto'
import { type RootDocument, signRootDocument } from '@quantum-ip/trust'
import type { KeyCustody } from '../custody.ts'

const yearS = 365 * 24 * 3_600

/** Two root keys from day one: the second is the spare that a lost or stolen first one is replaced with. */
const rootKeys = 2

/**
 * Makes the root keys of a new trust domain in custody, and signs the first root document with them.
 *
 * The authority never needs them again until a bundle key changes: they are meant to be taken offline, by `qip keys root export`.
 *
 * @returns the envelope, as JSON text
 */
export async function createRoot(
  custody: KeyCustody,
  document: { readonly td: TrustDomain; readonly nowS: number; readonly bundleKeys: readonly PublicKey[] },
): Promise<string> {
  const roots: Signer[] = []
  for (let number = 1; number <= rootKeys; number++) roots.push(await custody.create('ML-DSA-87', 'root'))
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
