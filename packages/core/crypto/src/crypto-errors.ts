import { QipError, type ErrorTable } from '@quantum-ip/base'

/** The codes of `@quantum-ip/crypto`. No detail ever holds key material, a signature or a payload. */
export interface CryptoErrorDetails {
  /** The name of a signature or key encapsulation algorithm is not one of ours. */
  QIP_CRYPTO_ALGORITHM_UNKNOWN: { readonly algorithm: string }
  /** A composite algorithm was met without the option that allows it. */
  QIP_CRYPTO_COMPOSITE_NOT_ALLOWED: { readonly algorithm: string }
  /** Key bytes do not have the length or form of their algorithm. */
  QIP_CRYPTO_KEY_MALFORMED: { readonly algorithm: string; readonly reason: string }
  /** A JSON Web Key breaks RFC 7517, RFC 8037, RFC 9864 or RFC 9964. */
  QIP_CRYPTO_JWK_MALFORMED: { readonly reason: string }
  /** A JSON Web Key with private members stands where a public one belongs. */
  QIP_CRYPTO_JWK_PRIVATE: { readonly member: 'priv' | 'd' }
  /** A context string is longer than 255 bytes, or the algorithm has none. */
  QIP_CRYPTO_CONTEXT_REFUSED: { readonly algorithm: string; readonly reason: string }
  /** A signature does not hold for this key, message and context. */
  QIP_CRYPTO_SIGNATURE_INVALID: { readonly algorithm: string; readonly kid: string }
  /** A signature that was just made does not verify: the signer is faulty. */
  QIP_CRYPTO_SIGNER_FAULTY: { readonly algorithm: string; readonly kid: string }
  /** A text is not a verifier key of c2sp.org/signed-note of a type known here. */
  QIP_CRYPTO_VKEY_MALFORMED: { readonly reason: string }
  /** A text is not a DSSE 1.0.2 envelope within the limits. */
  QIP_CRYPTO_ENVELOPE_MALFORMED: { readonly reason: string }
  /** An envelope carries another payload type than the one asked for. */
  QIP_CRYPTO_ENVELOPE_TYPE_MISMATCH: { readonly expected: string }
  /** A threshold is not a whole number from 1 on, or there are more keys than one envelope is checked against. */
  QIP_CRYPTO_ENVELOPE_POLICY_INVALID: { readonly reason: string }
  /** Fewer distinct keys than required have signed an envelope. */
  QIP_CRYPTO_ENVELOPE_THRESHOLD_MISSED: { readonly threshold: number; readonly signed: number }
  /** Bytes are too short or too long for a sealed field. */
  QIP_CRYPTO_FIELD_MALFORMED: { readonly reason: string }
  /** A sealed field does not open with this key and these additional data. */
  QIP_CRYPTO_FIELD_REFUSED: { readonly kid: string }
}

const cryptoErrors: ErrorTable<CryptoErrorDetails> = {
  QIP_CRYPTO_ALGORITHM_UNKNOWN: {
    fault: 'caller',
    message: ({ algorithm }) => `unknown algorithm \`${short(algorithm)}\``,
    next: () =>
      'signatures are ML-DSA-44, ML-DSA-65, ML-DSA-87, SLH-DSA-SHA2-128s or Ed25519; sealed fields X-Wing or ML-KEM-768',
  },
  QIP_CRYPTO_COMPOSITE_NOT_ALLOWED: {
    fault: 'caller',
    message: ({ algorithm }) => `the composite algorithm \`${algorithm}\` is not allowed here`,
    next: () => 'composites follow a draft: allow them by name, or use two signatures',
  },
  QIP_CRYPTO_KEY_MALFORMED: {
    fault: 'caller',
    message: ({ algorithm, reason }) => `not a key of ${algorithm}: ${reason}`,
  },
  QIP_CRYPTO_JWK_MALFORMED: { fault: 'caller', message: ({ reason }) => `not a JSON web key: ${reason}` },
  QIP_CRYPTO_JWK_PRIVATE: {
    fault: 'caller',
    message: ({ member }) => `a private key stands where a public key belongs: it has \`${member}\``,
    next: ({ member }) => `remove \`${member}\`; if anybody else has seen it, revoke the key`,
  },
  QIP_CRYPTO_CONTEXT_REFUSED: {
    fault: 'caller',
    message: ({ algorithm, reason }) => `no such context for ${algorithm}: ${reason}`,
  },
  QIP_CRYPTO_SIGNATURE_INVALID: {
    fault: 'denied',
    message: ({ algorithm, kid }) => `the ${algorithm} signature does not hold for key \`${kid}\``,
  },
  QIP_CRYPTO_SIGNER_FAULTY: {
    fault: 'defect',
    message: ({ algorithm, kid }) =>
      `the ${algorithm} signer of key \`${kid}\` made a signature that does not hold`,
    next: () => 'nothing was released; check the memory and the key store of this machine',
  },
  QIP_CRYPTO_VKEY_MALFORMED: { fault: 'caller', message: ({ reason }) => `not a verifier key: ${reason}` },
  QIP_CRYPTO_ENVELOPE_MALFORMED: {
    fault: 'caller',
    message: ({ reason }) => `not a DSSE envelope: ${reason}`,
  },
  QIP_CRYPTO_ENVELOPE_TYPE_MISMATCH: {
    fault: 'denied',
    message: ({ expected }) => `the envelope is not of payload type \`${expected}\``,
  },
  QIP_CRYPTO_ENVELOPE_POLICY_INVALID: {
    fault: 'caller',
    message: ({ reason }) => `no way to check an envelope: ${reason}`,
  },
  QIP_CRYPTO_ENVELOPE_THRESHOLD_MISSED: {
    fault: 'denied',
    message: ({ threshold, signed }) => `${signed} of the ${threshold} required keys signed the envelope`,
  },
  QIP_CRYPTO_FIELD_MALFORMED: { fault: 'caller', message: ({ reason }) => `not a sealed field: ${reason}` },
  QIP_CRYPTO_FIELD_REFUSED: {
    fault: 'denied',
    message: ({ kid }) => `the sealed field does not open with key \`${kid}\``,
  },
}

// A name comes from outside: enough of it to recognise, never a whole document.
function short(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}…` : text
}

/** Thrown by `@quantum-ip/crypto`. */
export class CryptoError<Code extends keyof CryptoErrorDetails = keyof CryptoErrorDetails> extends QipError<
  CryptoErrorDetails,
  Code
> {
  constructor(code: Code, details: CryptoErrorDetails[Code], options?: ErrorOptions) {
    super(cryptoErrors, code, details, options)
  }
}
