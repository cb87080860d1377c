/** Limits that several packages agree on. Past any of them there is a clear error, never a slow answer. */
export const limits = {
  /** Characters of one header field that carries a token or a head. */
  headerFieldMax: 8_000,
  /** Characters of a token that is ever accepted. */
  tokenCharsMax: 4_096,
  /** Characters of a token that is issued by default. */
  tokenCharsIssued: 2_048,
  /** Bytes of encoded claims. */
  claimsBytesMax: 3_072,
  /** Hashes of an inclusion path in a token. */
  pathHashesMax: 16,
  /** Leaves under a subtree that covers a token. */
  subtreeLeavesMax: 65_536,
  /** First index that a token log cannot have: 2^48. */
  logIndexEnd: 281_474_976_710_656,
  cborDepthMax: 4,
  /** Heads in one staple. */
  stapleHeadsMax: 2,
  audienceMax: 8,
  chainHopsMax: 8,
  /** Signatures by cosigners on one subtree. */
  cosignaturesMax: 4,
  /** Bytes of a service ID. */
  serviceIdBytesMax: 512,
  /** Bytes of one DSSE envelope. */
  envelopeBytesMax: 1_048_576,
  /** Bytes of one signed state. */
  stateBytesMax: 1_048_576,
  /** Bytes of one log entry (c2sp.org/tlog-tiles). */
  logEntryBytesMax: 65_535,
  /** Depth of nested JSON values. */
  jsonDepthMax: 32,
  /** Tokens signed in one batch by default. */
  batchTokensMax: 1_024,
  /** Milliseconds between the beginnings of two batches by default. */
  batchIntervalMs: 20,
  /** Seconds that two clocks may differ. */
  clockToleranceS: 30,
  /** Seconds that a token may be valid. */
  tokenTtlMaxS: 3_600,
  tokenTtlDefaultS: 300,
  /** Seconds that a one-time token may be valid. */
  oneTimeTtlMaxS: 120,
  /** Seconds that a proof of possession may be valid. */
  proofTtlMaxS: 60,
} as const
