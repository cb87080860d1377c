export {
  type Admission,
  type AdmissionRequest,
  type AdmittedBuild,
  admit,
  type BuildEvidence,
  createAdmission,
  type SessionRole,
  renewAdmission,
} from './admission.ts'
export { type RegisteredAttestation, submitAttestation } from './attestations.ts'
export { bearer } from './bearer.ts'
export { ClientError, type ClientErrorDetails } from './client-errors.ts'
export {
  type DecisionBatch,
  type DecisionReport,
  type DecisionSource,
  type SuppressionReport,
  type DecisionUpload,
  type DecisionUploadOptions,
  type SealKeyReport,
  openDecisionUpload,
} from './decision-upload.ts'
export { doctorService } from './doctor-service.ts'
export { type FollowerEvent, type FollowerMode } from './follower-events.ts'
export type {
  FollowerStatus,
  FollowerTiming,
  MemberKind,
  RaisedSampling,
  TrustFollower,
  TrustFollowerOptions,
  VerifyProbe,
} from './follower-options.ts'
export { IssuedToken } from './issued-token.ts'
export {
  fetchCheckpoint,
  fetchEntries,
  fetchTile,
  type Ledger,
  type LedgerOptions,
  openLedger,
  type ProvenEntry,
} from './ledger.ts'
export { AnswerReader, type JsonRequest, requestJson, requestObject } from './read-answer.ts'
export { type Mirror, type TrustPlace } from './mirrors.ts'
export {
  type MirroredAttestations,
  mirroredAttestationSource,
  mirroredHeadSource,
  type MirroredOptions,
} from './mirrored-sources.ts'
export { type TakenDocument } from './taken-document.ts'
export {
  type AuthorityAnswer,
  type AuthorityRequest,
  type AuthorityStream,
  type Requester,
} from './request.ts'
export {
  openPolicyFollower,
  type PolicyFollower,
  type PolicyFollowerOptions,
  type RefusedRollout,
  type RolledOutPolicy,
} from './policy-follower.ts'
export { openPolicyReports, type PolicyReportsOptions } from './policy-reports.ts'
export {
  formatSessionProof,
  matchesSession,
  parseSessionProof,
  type ProvedRequest,
  type SessionProof,
} from './session-proof.ts'
export { openSecurityReports, type SecurityReports, type SecurityReportsOptions } from './security-reports.ts'
export { openSession, type Session, type SessionOptions } from './session.ts'
export { createLeanRequester, type LeanRequesterOptions } from './lean-requester.ts'
export { loadSnapshotFile, writeSnapshotFile } from './lib/snapshot-file.ts'
export { attestationSource, headSource, referenceSource } from './sources.ts'
export { type TokenKind, type TokenOrder, type TokenOrderForm } from './token-order.ts'
export { openTokenPool, type TokenPool, type TokenPoolOptions } from './token-pool.ts'
export { exchangeToken, requestTokens, type TokenExchange, tokenType } from './tokens.ts'
export { openTransport, type Transport, type TransportOptions } from './transport.ts'
export { openTrustFollower } from './trust-follower.ts'
export { createTrustPuller, type TrustPuller, type TrustPullerOptions } from './trust-puller.ts'
export { proofFields, type ProofFieldsOptions } from './proof-fields.ts'
