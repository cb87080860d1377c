/** A head by its whole name. */
export interface HeadTuple {
  /** Trust domain, `spiffe://name`. */
  readonly td: string
  /** Origin of the token log. */
  readonly origin: string
  /** C2SP key ID of the issuing cosigner. */
  readonly keyId: number
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/** Asks the authority for a head. Does I/O; passed in. */
export interface HeadSource {
  /**
   * The signed head of exactly this tuple as a `Quantum-IP-Head` value (the staple's encoding), or
   * `undefined` if the authority itself says that there is none (404). Rejects if nobody could be
   * asked. The answer is not trusted: it is verified like a staple.
   */
  fetchHead(tuple: HeadTuple): Promise<string | undefined>
}

/** Which attestation is asked for. */
export interface AttestationTuple {
  /** Trust domain, `spiffe://name`. */
  readonly td: string
  /** Origin of the attestation log. */
  readonly origin: string
  readonly index: number
  /** SHA-256 of the artifact, where the token says it: for a look-up by build. A hop of a chain doesn't. */
  readonly build: Uint8Array | undefined
}

/** Where an answer came from: what the look-up's latency is filed under. */
export type LookupSource = 'cache' | 'local' | 'remote'

/** The sources, in a fixed order. */
export const lookupSources = ['cache', 'local', 'remote'] as const satisfies readonly LookupSource[]

/** An attestation with its receipt, as the registry and ledger hold it. */
export interface AttestationAnswer {
  /** The evidence file: envelope, inclusion proof and checkpoint. JSON text or its bytes; not trusted. */
  readonly evidence: string | Uint8Array
  readonly source: Exclude<LookupSource, 'cache'>
}

/** Asks registry and ledger for an attestation. Does I/O; passed in. */
export interface AttestationSource {
  /**
   * The evidence of exactly this attestation, or `undefined` if the registry itself says that there
   * is none. Rejects if nobody could be asked.
   */
  fetchAttestation(tuple: AttestationTuple): Promise<AttestationAnswer | undefined>
}

/** Resolves reference tokens at the authority. Does I/O; passed in. */
export interface ReferenceSource {
  /**
   * The Merkle token (`qip1.…`) that the reference stands for, or `undefined` if the authority itself
   * says that there is none. Rejects if nobody could be asked. The answer is not trusted.
   */
  resolveReference(reference: string): Promise<string | undefined>
}
