import { isQipError } from '@quantum-ip/base'
import {
  type Envelope,
  parseEnvelope,
  type PublicKey,
  sha256,
  signEnvelope,
  type Signer,
  verifyEnvelope,
} from '@quantum-ip/crypto'
import { payloadTypes } from '../payload-types.ts'
import { TrustError } from '../trust-errors.ts'
import type { EnvelopeInput, Verified } from '../verified.ts'

/** The documents that are signed. */
export type SignedKind = keyof typeof payloadTypes

/** The envelope that `input` is or spells. */
export function openEnvelope(input: EnvelopeInput, document: SignedKind): Envelope {
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) return input
  try {
    return parseEnvelope(input)
  } catch (cause) {
    if (!isQipError(cause)) throw cause
    throw new TrustError(
      'QIP_TRUST_DOCUMENT_MALFORMED',
      { document, path: '', reason: cause.message },
      { cause },
    )
  }
}

/** Signatures that a document must have. */
export interface RequiredSignatures {
  readonly document: SignedKind
  /** Who may sign, for the error: `root keys`, `bundle keys`, `feed keys`. */
  readonly signers: string
  readonly keys: readonly PublicKey[]
  readonly threshold: number
}

/** Checks the signatures of `envelope` and returns the thumbprints of those who signed. */
export async function checkSignatures(
  envelope: Envelope,
  { document, signers, keys, threshold }: RequiredSignatures,
): Promise<readonly string[]> {
  if (envelope.payloadType !== payloadTypes[document]) {
    const reason = `the payload type is not \`${payloadTypes[document]}\``
    throw new TrustError('QIP_TRUST_DOCUMENT_MALFORMED', { document, path: '', reason })
  }
  if (keys.length < threshold) {
    throw new TrustError('QIP_TRUST_SIGNATURES_INSUFFICIENT', { document, signers, threshold })
  }
  try {
    const verified = await verifyEnvelope({ envelope, keys, threshold, payloadType: payloadTypes[document] })
    return verified.keys.map(({ kid }) => kid)
  } catch (cause) {
    if (!isQipError(cause, 'QIP_CRYPTO_ENVELOPE_THRESHOLD_MISSED')) throw cause
    throw new TrustError('QIP_TRUST_SIGNATURES_INSUFFICIENT', { document, signers, threshold }, { cause })
  }
}

/** What {@link checkSignatures} and a parser found out, together. */
export function verified<Document>(
  document: Document,
  { payload }: Envelope,
  signers: readonly string[],
): Verified<Document> {
  return { document, payload, sha256: sha256(payload), signers }
}

/** Signs the payload of a document; every signature is checked before it is returned. */
export function signDocument(
  document: SignedKind,
  payload: Uint8Array,
  signers: readonly Signer[],
): Promise<Envelope> {
  return signEnvelope({ payloadType: payloadTypes[document], payload, signers })
}
