/** What an attestation may hold at most; the envelope as a whole has `limits.envelopeBytesMax`. */
export const attestationLimits = {
  /** Subjects of one statement. */
  subjectsMax: 1_024,
  /** Dependencies that one provenance resolves. */
  dependenciesMax: 16_384,
  /** Digests of one resource. */
  digestsMax: 16,
  /** Characters of a URI or name. */
  textCharsMax: 2_048,
  /** Hashes of an inclusion proof. */
  proofHashesMax: 63,
  /** Bytes of an evidence file: an envelope, a checkpoint with witnesses, and a proof. */
  evidenceBytesMax: 2_097_152,
  /** Admission rules. */
  rulesMax: 10_000,
} as const
