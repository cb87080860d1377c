export type { DeepMode, DeepOutcome } from './deep-mode.ts'
export {
  type CryptoOperation,
  type DeepCheckOutcome,
  type EventHead,
  type HeadFetchOutcome,
  type VerifierEvent,
  type VerifierObserver,
  cryptoOperations,
  deepCheckOutcomes,
  headFetchOutcomes,
  silentObserver,
  verifierEventKinds,
} from './observer.ts'
export type { ObservedState, OneTimeUse, ReplayGuard, ReplayOutcome } from './replay-guard.ts'
export {
  type AttestationAnswer,
  type AttestationSource,
  type AttestationTuple,
  type HeadSource,
  type HeadTuple,
  type LookupSource,
  type ReferenceSource,
  lookupSources,
} from './sources.ts'
export {
  type AttestationFacts,
  type Binding,
  type BindingEvidence,
  type BuildFacts,
  type ChainHop,
  type HeadStanding,
  type HeadState,
  type Reason,
  type Status,
  type Timings,
  type TokenForm,
  type TokenReference,
  type Verdict,
  type VerdictNotes,
  type VerdictRow,
  type VerificationPath,
  bindingEvidences,
  reasonIndex,
  reasons,
  statusOf,
  statuses,
  verdictTable,
  verificationPaths,
} from './verdict.ts'
export type { RequestFacts, VerifyInput } from './verify-input.ts'
export { createVerifier, type Verifier, type VerifierStats } from './verifier.ts'
export type {
  AttestationOptions,
  HeadOptions,
  ReferenceOptions,
  SignatureOptions,
  UnanchoredHeads,
  VerifierOptions,
  WitnessPolicy,
} from './verifier-options.ts'
export {
  allocateReplayMemory,
  ReplayFilter,
  type ReplayFilterOptions,
  type ReplayFilterStats,
} from './replay-filter.ts'
