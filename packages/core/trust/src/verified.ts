import type { Envelope } from '@quantum-ip/crypto'

/** A DSSE envelope, or its JSON text or bytes as they came. */
export type EnvelopeInput = Envelope | string | Uint8Array

/** A document whose signatures hold, with what they hold over. */
export interface Verified<Document> {
  readonly document: Document
  /** The signed bytes. */
  readonly payload: Uint8Array
  /** SHA-256 of the signed bytes: what a state names a bundle by. */
  readonly sha256: Uint8Array
  /** Thumbprints of the distinct keys that signed. */
  readonly signers: readonly string[]
}
