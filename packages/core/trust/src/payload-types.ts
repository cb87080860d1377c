/** The DSSE payload type of each signed document: a signature over one kind never counts for another. */
export const payloadTypes = {
  root: 'application/vnd.quantum-ip.root.v1+json',
  bundle: 'application/vnd.quantum-ip.bundle.v1+json',
  state: 'application/vnd.quantum-ip.state.v1+json',
  policy: 'application/vnd.quantum-ip.policy.v1+json',
  rollout: 'application/vnd.quantum-ip.policy-rollout.v1+json',
} as const

/** The kinds of document that this package reads and writes. */
export type DocumentKind =
  | 'root'
  | 'bundle'
  | 'state'
  | 'policy'
  | 'rollout'
  | 'head'
  | 'revocation'
  | 'snapshot'

/** What a trust document may hold at most. Past any of these it is refused whole. */
export const trustLimits = {
  /** Root keys, and bundle keys, in one root document. */
  rootKeysMax: 16,
  /** Keys in one bundle, those that are ignored included. */
  bundleKeysMax: 1_024,
  /** Bytes of a root document's or bundle's payload. Its envelope has to fit into `limits.envelopeBytesMax` anyway. */
  documentBytesMax: 1_048_576,
  /** Seconds that a bundle may be valid: seven days. */
  bundleLifetimeMaxS: 604_800,
  /** Policies in one state. */
  policiesMax: 1_024,
  /** Characters of a policy's text, and bytes of its payload. */
  policyTextCharsMax: 262_144,
  policyBytesMax: 600_000,
  /** Bytes of the payload of a rollout. */
  rolloutBytesMax: 8_192,
  /** Logs in one state. */
  logsMax: 4_096,
  /** Heads in one state. */
  stateHeadsMax: 8_192,
  /** Characters of a name: of a policy, a key, a builder, a log. */
  nameCharsMax: 255,
  /** Characters of the reason of a revocation. */
  reasonCharsMax: 512,
  /** Characters of the value of a revocation. */
  valueCharsMax: 512,
  /** Heads that a store holds by default. */
  heldHeadsMax: 400_000,
  /** Revocation records that a store holds by default, expired ones included. */
  heldRevocationsMax: 250_000,
  /** Root documents between the pinned one and the newest. */
  rootChainMax: 256,
  /** Bytes of a snapshot. */
  snapshotBytesMax: 268_435_456,
  /** Bytes of one section of a snapshot. */
  snapshotSectionBytesMax: 2_097_152,
} as const
