import { generatePrivateKey, type NoteKeyType, noteKeyTypes, noteVerifierKey } from '@quantum-ip/crypto'
import { seededRandom } from '@quantum-ip/testing'
import type { NoteSigner } from '../src/cosignature.ts'

/** A reproducible signer of notes, and its verifier key. */
export function noteKey(name: string, type: NoteKeyType, timestampS?: number) {
  const alg = type === noteKeyTypes.mlDsa44 ? 'ML-DSA-44' : 'Ed25519'
  const signer = generatePrivateKey(alg, seededRandom(`${name} ${type}`))
  const by: NoteSigner = { name, type, signer, ...(timestampS === undefined ? {} : { timestampS }) }
  return { by, vkey: noteVerifierKey({ name, type, key: signer.publicKey }) }
}
