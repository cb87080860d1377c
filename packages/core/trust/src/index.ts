export {
  type Bundle,
  buildBundle,
  type BundleOptions,
  type BundleToVerify,
  feedKeys,
  type IgnoredKey,
  parseBundle,
  signBundle,
  verifyBundle,
} from './bundle.ts'
export { type RevocationChain, verifyHeads, verifyRevocations } from './catch-up.ts'
export {
  buildHead,
  chainHead,
  encodeHead,
  headChainStart,
  type HeadRecord,
  parseHead,
} from './head-record.ts'
export { joinSignatures } from './join-signatures.ts'
export {
  algorithmsOf,
  isAcceptable,
  type KemKeyRecord,
  type KeyRecord,
  type KeyState,
  keyStates,
  type KeyUse,
  type SigningKeyRecord,
  type SigningUse,
  signingUses,
  verifierKeyOf,
} from './key-record.ts'
export { type DocumentKind, payloadTypes, trustLimits } from './payload-types.ts'
export { type PolicyKeySource, policyKeys } from './policy-keys.ts'
export {
  type ActivePolicy,
  buildPolicyRollout,
  type CandidatePolicy,
  parsePolicyRollout,
  type PolicyReference,
  type PolicyRollout,
  type RolloutMode,
  signPolicyRollout,
  verifyPolicyRollout,
} from './policy-rollout.ts'
export {
  buildPolicyText,
  parsePolicyText,
  type PolicyText,
  type PolicyToVerify,
  signPolicyText,
  verifyPolicyText,
} from './policy-version.ts'
export type { RevocationCheck } from './revocation-check.ts'
export { RevocationIndex } from './revocation-index.ts'
export {
  buildRevocation,
  chainRevocation,
  encodeRevocation,
  parseRevocation,
  revocationChainStart,
  type RevocationKind,
  revocationKinds,
  type RevocationRecord,
} from './revocation-record.ts'
export {
  buildRootDocument,
  parseRootDocument,
  pinsOf,
  type RootDocument,
  type RootPins,
  type RootToVerify,
  signRootDocument,
  verifyRootDocument,
} from './root-document.ts'
export {
  type BundleReference,
  buildState,
  type LogHead,
  parseState,
  type PolicyVersion,
  signState,
  type State,
  type StateToVerify,
  verifyState,
} from './state.ts'
export { TrustError, type TrustErrorDetails } from './trust-errors.ts'
export {
  type DocumentToApply,
  type RootToApply,
  type StateToApply,
  TrustStore,
  type TrustStoreOptions,
} from './trust-store.ts'
export type { Staleness, TrustListener, TrustView } from './trust-view.ts'
export type { EnvelopeInput, Verified } from './verified.ts'
